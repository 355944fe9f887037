"""What is done to a whole store now and then: rebuild, merge, export, prune, back up.

Journals are the truth here too: what comes from elsewhere becomes journals of ours, and is then
ingested as any other. Whatever takes the place of something is made aside, brought to the disk and
renamed, so that a kill leaves what was there or what is to come.
"""
