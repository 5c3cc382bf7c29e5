"""LArTPC: which particle made the tracks and showers in images of a liquid-argon time projection chamber."""
