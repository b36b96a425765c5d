"""matches, decisions and outcomes in; one ``FeedbackSignalled`` per change of a (brand, creator) pair out.

Reads ``matches``, ``decisions`` and ``outcomes`` (keyed by brand), writes ``signals``. Facts are rows; sums are folded
from them with integers, so that any order, repetition or lateness of the same events ends in the same statistics.
"""
