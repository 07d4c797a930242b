"""datasms: an organisation's messages to people, over the internet first."""

__version__ = "0.1.0"
