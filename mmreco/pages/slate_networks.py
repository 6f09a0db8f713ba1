"""Networks of slates: what turns a code and a shopper into items for each place, and what reads a slate."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.nn.chance import generator

__all__ = ["SlateCVAE", "SlateDiscriminator", "SlateDecoder"]


class SlateDecoder(nn.Module):
    """A code, a condition, wished clicks and the items above -> how well each item stands at a place."""

    def __init__(self, n_items: int, width: int, condition: int, code: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.width, self.dim = width, dim
        self.items = nn.Embedding(n_items + 1, dim)  # the last is of an empty place
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.body = nn.Sequential(nn.Linear(code + condition, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.places = nn.Linear(hidden, width * dim)
        self.liked = nn.Linear(hidden, dim)  # what is added where a click is wished for
        self.beside = nn.Linear(dim, 2 * dim, bias=False)  # what the items above add, without and with a click
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.appeal = nn.Parameter(torch.zeros(n_items))

    def states(self, code: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """`(b, code)`, `(b, condition)` -> what is wanted `(b, width, dim)`, and what a click adds `(b, dim)`."""
        body = self.body(torch.cat([code, condition], dim=1))
        return self.places(body).view(-1, self.width, self.dim), self.liked(body)

    def at(self, wanted: Tensor, liked: Tensor, clicks: Tensor, above: Tensor) -> Tensor:
        """Logits of any places: wanted and above `(..., dim)`, liked alike, clicks `(..., 1)` -> `(..., n_items)`."""
        plain, clicked = self.beside(above).chunk(2, dim=-1)
        vectors = wanted + plain + clicks * (liked + clicked)
        logits: Tensor = vectors @ self.items.weight[:-1].T + self.bias + clicks * self.appeal
        return logits

    def forward(self, code: Tensor, condition: Tensor, clicks: Tensor, slates: Tensor) -> Tensor:
        """`(b, code)`, `(b, condition)`, clicks and slates `(b, width)` -> logits `(b, width, n_items)`."""
        wanted, liked = self.states(code, condition)
        read = self.read(slates).view(-1, self.width, self.dim)
        above = F.pad(read.cumsum(dim=1)[:, :-1], (0, 0, 1, 0))  # the sum of what stands above each place
        logits: Tensor = self.at(wanted, liked[:, None], clicks[:, :, None], above)
        return logits

    def read(self, slates: Tensor) -> Tensor:
        """Item rows, -1 for none, `(b, width)` -> their vectors side by side, `(b, width * dim)`."""
        rows = torch.where(slates < 0, self.items.num_embeddings - 1, slates)
        vectors: Tensor = self.items(rows).flatten(1)
        return vectors


class SlateCVAE(nn.Module):
    """A conditional variational auto-encoder of slates, its prior learnt."""

    def __init__(self, n_items: int, width: int, condition: int, code: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.decoder = SlateDecoder(n_items, width, condition, code, dim, hidden)
        self.encoder = nn.Sequential(nn.Linear(width * dim + condition, hidden), nn.GELU(), nn.Linear(hidden, 2 * code))
        self.prior = nn.Sequential(nn.Linear(condition, hidden), nn.GELU(), nn.Linear(hidden, 2 * code))

    def loss(self, slates: Tensor, clicks: Tensor, condition: Tensor, beta: float) -> Tensor:
        """The negative evidence lower bound, its KL term weighed by `beta`, a mean over slates."""
        read = self.decoder.read(slates)
        mean, log_variance = self.encoder(torch.cat([read, condition], dim=1)).chunk(2, dim=1)
        prior_mean, prior_log_variance = self.prior(condition).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=generator())
        code = mean + noise * (0.5 * log_variance).exp()
        said = slate_likelihood(self.decoder(code, condition, clicks, slates), slates)
        apart = (mean - prior_mean) ** 2 / prior_log_variance.exp() + (log_variance - prior_log_variance).exp()
        kl = 0.5 * (prior_log_variance - log_variance + apart - 1).sum(dim=1)
        loss: Tensor = (beta * kl - said).mean()
        return loss

    def code(self, condition: Tensor, noise: Tensor) -> Tensor:
        """A code of the prior, `(b, code)`; its mean where the noise is 0."""
        mean, log_variance = self.prior(condition).chunk(2, dim=1)
        drawn: Tensor = mean + noise * (0.5 * log_variance).exp()
        return drawn


class SlateDiscriminator(nn.Module):
    """Slates given as vectors, and a condition -> how real each looks."""

    def __init__(self, width: int, condition: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(width * dim + condition, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2)
        )
        self.verdict = nn.Linear(hidden, 1)

    def forward(self, read: Tensor, condition: Tensor) -> Tensor:
        """`(b, width * dim)` and `(b, condition)` -> logits `(b,)`."""
        logits: Tensor = self.verdict(self.body(torch.cat([read, condition], dim=1))).squeeze(1)
        return logits


def slate_likelihood(logits: Tensor, slates: Tensor) -> Tensor:
    """Log-likelihood of slates `(b, width)`, empty places left out, a sum over places, `(b,)`."""
    flat = F.cross_entropy(logits.flatten(0, 1), slates.clamp(min=0).flatten(), reduction="none")
    said: Tensor = -(flat.view(slates.shape) * (slates >= 0)).sum(dim=1)
    return said
