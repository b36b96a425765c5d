"""Reads JSON lines; writes events to a topic that people may publish to.

Guarantees: every line is validated before it is sent; a bad line never harms its neighbours; what is counted as
delivered has been acknowledged by the broker; a file published again gives the same CloudEvents ids.
"""
