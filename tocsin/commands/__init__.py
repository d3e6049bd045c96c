"""The commands of `tocsin`, a module a purpose. Each is imported only when it is called: see tocsin/cli.py."""
