"""What runs when: the jobs, and the planner that decides which day is next."""
