"""Secrets of a secured cluster: read from the environment, refused with a reason, quoted nowhere."""

from pathlib import Path

import pytest

from benchmarks.brokers import BrokerUnavailable
from benchmarks.brokers.external import names_a_secret, parse_bootstrap
from benchmarks.brokers.kafka.security import security
from event_impl.brokers.security import connection

SECRET = "correct-horse"
LOGIN = {
    "BENCH_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "BENCH_KAFKA_USERNAME": "bench",
    "BENCH_KAFKA_PASSWORD": SECRET,
}


def refused(environment: dict[str, str]) -> BrokerUnavailable:
    with pytest.raises(BrokerUnavailable) as caught:
        security(environment)
    assert SECRET not in caught.value.message + caught.value.next_step
    assert caught.value.next_step
    return caught.value


def test_without_variables_the_line_is_plaintext_and_the_address_stays_as_it_is() -> None:
    assert security({}).bootstrap("a:1,b:2") == "a:1,b:2"
    assert security({}).tls is None


def test_the_protocol_travels_with_the_address_and_the_secret_does_not() -> None:
    bootstrap = security(LOGIN).bootstrap("a:1,b:2")
    assert bootstrap == "SASL_PLAINTEXT://a:1,b:2"
    assert connection(bootstrap, LOGIN) == {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "bench",
        "sasl_plain_password": SECRET,
    }


def test_a_broker_of_ours_is_plaintext_whatever_the_environment_says() -> None:
    assert connection("127.0.0.1:9092", LOGIN) == {"bootstrap_servers": "127.0.0.1:9092"}


def test_tls_brings_a_context_that_verifies_on_both_sides() -> None:
    environment = {"BENCH_KAFKA_SECURITY_PROTOCOL": "SSL"}
    secured = security(environment)
    made = connection(secured.bootstrap("a:1"), environment)
    assert secured.tls is not None
    assert secured.tls.check_hostname
    assert made["ssl_context"].check_hostname
    assert not secured.asks_for_a_name


def test_a_protocol_that_does_not_exist_is_named_with_the_choices() -> None:
    error = refused({**LOGIN, "BENCH_KAFKA_SECURITY_PROTOCOL": "TLS"})
    assert "unknown BENCH_KAFKA_SECURITY_PROTOCOL 'TLS'" in error.message
    assert "SASL_SSL" in error.message


def test_a_mechanism_that_does_not_exist_is_named_with_the_choices() -> None:
    assert "SCRAM-SHA-512" in refused({**LOGIN, "BENCH_KAFKA_SASL_MECHANISM": "GSSAPI"}).message


@pytest.mark.parametrize("missing", ["BENCH_KAFKA_USERNAME", "BENCH_KAFKA_PASSWORD"])
def test_what_a_login_needs_and_does_not_have_is_named(missing: str) -> None:
    assert f"needs {missing}" in refused({name: value for name, value in LOGIN.items() if name != missing}).message


@pytest.mark.parametrize("variable", ["CAFILE", "CERTFILE", "KEYFILE"])
def test_a_file_that_is_not_there_is_named(variable: str) -> None:
    environment = {"BENCH_KAFKA_SECURITY_PROTOCOL": "SSL", f"BENCH_KAFKA_{variable}": "nowhere.pem"}
    assert f"BENCH_KAFKA_{variable} names a file that does not exist: nowhere.pem" in refused(environment).message


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    environment = {"BENCH_KAFKA_SECURITY_PROTOCOL": "SSL", "BENCH_KAFKA_CAFILE": str(tmp_path / "ca.pem")}
    assert "cannot be used" in refused(environment).message


def test_a_name_and_a_password_in_an_address_are_seen() -> None:
    assert names_a_secret(f"bench:{SECRET}@kafka:9092")
    assert not names_a_secret("kafka:9092,[::1]:9093")
    assert parse_bootstrap("kafka:9092,[::1]:9093") == [("kafka", 9092), ("::1", 9093)]
