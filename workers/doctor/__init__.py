"""``streamscout doctor``: looks at the machine, the settings, the servers and the workers, and says what to mend.

Reads everything and changes nothing. Each check has a deadline of its own; what does not answer is a finding too.
"""
