"""A wheel brings all libraries, so that there is nothing to be found elsewhere. @NOTE@"""
