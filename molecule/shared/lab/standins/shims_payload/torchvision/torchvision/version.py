"""@NOTE@"""

__version__ = "@VERSION@"
cuda = "11.3"
