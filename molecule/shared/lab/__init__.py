"""The lab: throw-away systemd hosts, a mirror and stand-ins on this machine, for the demo and the tests."""
