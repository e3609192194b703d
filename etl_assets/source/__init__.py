"""The source: what its files look like, and which object holds a day.

Here belong the names and columns of the files and the rules that choose an object. Reading a file
does not. The idea: a loaded day keeps its object; ids of reports and increments never count as a
change.
"""
