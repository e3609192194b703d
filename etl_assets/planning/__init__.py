"""Which day is loaded next, and why.

Here belong the decision and the list of days that need a person. Launching a run does not: `defs/`
and `cli/` do that. The idea: the warehouse tells what is loaded, and days go strictly in order.
"""
