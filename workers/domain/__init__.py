"""Events, ids, vectors and features: pure code shared by two or more workers."""
