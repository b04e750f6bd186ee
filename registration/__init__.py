"""What both sides share: the registration, its event, the services' work, their effects and the trace."""
