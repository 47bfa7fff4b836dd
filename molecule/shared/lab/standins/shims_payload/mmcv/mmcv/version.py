"""@NOTE@"""

__version__ = "@VERSION@"
