"""Personal data in what people wrote, taken out before it is shown: phones, e-mails, accounts, ids, long numbers."""

import re

__all__ = ["MASK", "scrub"]

MASK = "***"

_PATTERNS = (
    re.compile(r"[\w.+-]+\s*@\s*[\w-]+(?:\s*\.\s*[\w-]+)+"),  # e-mails, with spaces put in too
    re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE),
    # an account after its name: 微信：abc_123, QQ 12345678, WhatsApp +44 ...
    re.compile(
        r"(?P<keep>(?:微信|威信|薇信|v\s*信|vx|wechat|weixin|qq|whatsapp|telegram|line\s*id|支付宝|旺旺|手机号?|电话|联系方式)"
        r"\s*(?:号码?|id|is|是|为)?\s*[:：]?\s*)[A-Za-z0-9_+-][A-Za-z0-9_+ -]{4,}",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w])\d{6}(?:18|19|20)\d{2}[01]\d[0-3]\d\d{3}[\dXx](?![\w])"),  # a Chinese identity card
    re.compile(r"(?<![\w.])\+\d[\d -]{7,}\d"),
    re.compile(r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"),  # a Chinese mobile phone
    re.compile(r"(?<![\w.])\+?\(?\d{2,4}\)?[- ./]\d{3,4}[- ./]\d{3,4}(?:[- ./]\d{2,4})?(?!\d)"),  # phones with breaks
    re.compile(r"(?<![\w.])[A-Za-z]{0,3}\d{9,}(?!\w)"),  # order, card and parcel numbers
    re.compile(r"(?<![\w.])(?:\d{4}[- ]){3}\d{4}(?!\d)"),
)


def scrub(text: str) -> str:
    """The text with phone numbers, e-mail and web addresses, accounts, ids and long numbers replaced by `***`.

    Prices, sizes, dates and model codes stay.

    Examples
    --------
    >>> scrub("Call 138-1234-5678 or mail jo.bloggs@example.com; it cost 1299.00")
    'Call *** or mail ***; it cost 1299.00'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: (match.groupdict().get("keep") or "") + MASK, text)
    return text
