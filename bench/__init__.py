"""`python -m bench`: Tocsin and Debian's Alertmanager side by side, under the same load, into the same receiver."""
