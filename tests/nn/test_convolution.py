import pytest
import torch

from mmreco.nn.convolution import PictureCNN, joined


@pytest.fixture(scope="module")
def network() -> PictureCNN:
    torch.manual_seed(0)
    network = PictureCNN(32, width=4)
    with torch.no_grad():  # some passes, so that the norms know what pictures look like
        for _ in range(20):
            network(torch.rand(16, 3, 64, 64) * 2 - 1)
    return network.eval()


@pytest.mark.parametrize("sides", [(64, 64), (16, 16), (96, 64), (17, 33)])
def test_a_vector_of_unit_length_for_pictures_of_any_size(network: PictureCNN, sides: tuple[int, int]) -> None:
    vectors = network(torch.rand(3, 3, *sides) * 2 - 1)
    assert vectors.shape == (3, 32)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_form_and_colour_weigh_the_same() -> None:
    vectors = joined(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.1]]))
    torch.testing.assert_close(vectors, torch.tensor([[0.6, 0.8, 0.0, 1.0]]) * 0.5**0.5)


def test_the_colour_half_does_not_know_where(network: PictureCNN) -> None:
    picture = torch.ones(1, 3, 64, 64)
    picture[:, 1:, 8:24, 8:24] = -1  # a red square on white
    moved = picture.roll((32, 32), dims=(2, 3))
    form, colour = network.halves(torch.cat([picture, moved]))
    far = (form[0] - form[1]).norm() / form.norm(dim=1).mean()
    near = (colour[0] - colour[1]).norm() / colour.norm(dim=1).mean()
    assert near < 0.05 < 0.2 < far


def test_every_weight_is_reached_by_the_gradient() -> None:
    network = PictureCNN(8, width=2)
    form, colour = network.halves(torch.rand(4, 3, 32, 32))
    (form.pow(3).sum() + colour.pow(3).sum()).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())
