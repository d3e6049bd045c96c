"""What is heard: signals from monitors and people, and how bad a signal is. Pure."""
