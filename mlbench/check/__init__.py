"""The contract suite: what every plugin owes, checked on tiny problems, the user's plugins too."""
