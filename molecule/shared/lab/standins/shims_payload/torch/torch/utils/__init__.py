"""@NOTE@"""
