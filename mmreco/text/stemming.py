"""English plurals cut, as by the S-stemmer (Harman, "How effective is suffixing?", 1991)."""

__all__ = ["stem"]


def stem(word: str) -> str:
    """The word less a plural's ending; words below 4 letters and those on -ss, -us, -is as they are.

    Examples
    --------
    >>> stem("dresses"), stem("parties"), stem("lamps"), stem("glass")
    ('dress', 'party', 'lamp', 'glass')
    """
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]
