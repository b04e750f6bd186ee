"""The load generator beside its peers: what `generators.py` runs, and how it reads what each of them says.

```
generators.py → measured → server, and one of: ours | peers
                   ↓
                 exact → tables
```
"""
