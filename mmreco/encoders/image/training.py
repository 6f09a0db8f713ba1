"""How `ImageEncoder.fit` learns from a shop's own pictures.

Each picture is seen in three random views (`mmreco.nn.augmentation`). The form half of its vector must find the view in
other colours among the batch, the colour half the view of a small piece; where texts are known, the whole vector
must find its text and the text its picture.

Sources: Chen et al., "A simple framework for contrastive learning of visual representations", 2020; Xiao et al.,
"What should not be contrastive in contrastive learning", 2021; Radford et al., "Learning transferable visual models
from natural language supervision", 2021. Deviates: the vector itself meets the text, not a projection of it, so that
cosines of pictures follow what is written; texts that say the same are not told apart.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mmreco.encoders.image.networks import OWN
from mmreco.nn.augmentation import COLOUR, FORM, PRODUCT, view
from mmreco.nn.chance import seeded_globally
from mmreco.nn.contrastive import alike, pair_contrast, view_contrast
from mmreco.nn.convolution import PictureCNN, joined
from mmreco.nn.threads import MeasuredThreads
from mmreco.progress import progress

__all__ = ["learn"]

_WIDTH = 16  # channels after the first convolution
_LOOKS = 13_000  # at pictures, when the number of passes is not given
_BATCH = (32, 128)
_RATE = 3e-3
_TEMPERATURES = (0.5, 0.5)  # of form and of colour
_TEXT = 3.0  # how much a text counts against the views


def learn(
    pictures: Tensor,
    described: tuple[Tensor, Tensor] | None,
    *,
    dim: int,
    size: int,
    epochs: int | None,
    seed: int,
    device: torch.device,
    shown: bool,
) -> tuple[str, PictureCNN]:
    """The name and the network that these pictures teach.

    Parameters
    ----------
    pictures : shape `(n, 3, h, h)`, uint8
    described : vectors of texts `(n, d)` and which of them are known `(n,)`, optional
    dim : 1 or more
        Width of the vectors.
    size : of the pictures that the network reads, in pixels a side
    epochs : passes; None for as many as make some 13,000 looks, and two at least
    seed : 0 or more
        Of first weights and draws.
    device : where it learns
    shown : whether to show a bar

    Raises
    ------
    FloatingPointError
        The loss is not finite.
    """
    with seeded_globally(seed):
        learner = _Learner(dim, described[0].shape[1] if described else 0)
    learner.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = pictures.to(device)
    texts, known = (t.to(device) for t in described) if described else (None, None)
    n = len(pictures)
    batch = min(n, max(_BATCH[0], min(_BATCH[1], n // 8)))  # a small shop would see too few steps
    epochs = max(2, round(_LOOKS / n)) if epochs is None else epochs
    steps = epochs * (n // batch)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=_RATE, weight_decay=1e-2)
    rise = max(0.2, 1.5 / (steps + 1))  # of so few steps that the rise would have none, OneCycleLR divides by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps + 1, pct_start=rise)
    generator = torch.Generator().manual_seed(seed)  # the only chance there is from here on
    batches = _batches(n, batch, epochs, generator)
    learner.train()
    with MeasuredThreads(enabled=device.type == "cpu") as threads:
        for rows in threads.over(progress(batches, total=steps, description="learning from pictures", shown=shown)):
            rows = rows.to(device)
            views = [view(pictures[rows], size, change, generator=generator) for change in (PRODUCT, FORM, COLOUR)]
            with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
                halves = learner.cnn.halves(torch.cat(views).contiguous(memory_format=torch.channels_last))
            loss = learner(*halves, None if texts is None else texts[rows], None if known is None else known[rows])
            if not loss.isfinite():
                raise FloatingPointError(f"the loss of pictures became {loss.item()}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    return f"{OWN}-{dim}-{_WIDTH}", learner.cnn


def _batches(n: int, batch: int, epochs: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows in random order, `(batch,)` each; what is left over of a pass waits for another."""
    for _ in range(epochs):
        yield from torch.split(torch.randperm(n, generator=generator)[: n - n % batch], batch)


class _Learner(nn.Module):
    """The network with what only training needs; called, it gives the loss."""

    def __init__(self, dim: int, text_dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.cnn = PictureCNN(dim, width=_WIDTH)
        # views meet behind a layer that is thrown away: what it forgets, the vector may keep
        self.form = nn.Sequential(nn.ReLU(), nn.Linear(half, half))
        self.colour = nn.Sequential(nn.ReLU(), nn.Linear(half, half))
        self.text = nn.Linear(text_dim, dim) if text_dim else None
        self.scale = nn.Parameter(torch.tensor(2.3))  # a logarithm; cosines times 10

    def forward(self, form: Tensor, colour: Tensor, texts: Tensor | None, known: Tensor | None) -> Tensor:
        """The loss of the halves, `(3 b, dim / 2)` each, of the three views, and of the texts `(b, d)`."""
        form, colour = form.float(), colour.float()
        whole, other_colours, _ = self.form(form).chunk(3)
        loss = view_contrast(whole, other_colours, temperature=_TEMPERATURES[0])
        whole, _, piece = self.colour(colour).chunk(3)
        loss = loss + view_contrast(whole, piece, temperature=_TEMPERATURES[1])
        if self.text is None or texts is None or known is None or int(known.sum()) < 2:
            return loss
        b = len(texts)
        vectors = joined(form[:b], colour[:b])[known]
        described = nn.functional.normalize(texts[known], dim=1)
        return loss + _TEXT * pair_contrast(
            vectors, self.text(described), scale=self.scale.exp().clamp(max=100), same=alike(described)
        )
