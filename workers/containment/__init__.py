"""What keeps one bad event, or one bad server, from harming the rest: pure decisions that time is given to."""
