"""@NOTE@"""

__version__ = "@VERSION@"
debug = False
cuda = "11.3"
hip = None
