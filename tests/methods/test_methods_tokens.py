"""Models of tokens: their maps are those of the model as a function of the embedding, computed by hand."""

import captum.attr
import pytest
import torch
from torch import nn

import matxai
from matxai.errors import ModelError
from matxai.methods import attribution

TOKENS = torch.tensor([[3, 1, 4, 1, 0], [0, 1, 2, 3, 4]])


class Reader(nn.Module):
    """Positions, tokens and a mask of padding; the second row of the tokens equals the positions."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.positions, self.words = nn.Embedding(5, 6), nn.Embedding(9, 6, padding_idx=0)
        self.hidden, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
        self.double().eval()

    def embed(self, tokens):
        return self.words(tokens)

    def after(self, words, tokens, times=1.0):
        h = torch.relu(self.hidden(words + self.positions(torch.arange(tokens.shape[1]))))
        return self.out((h * (tokens != 0)[..., None]).sum(1) * times / len(tokens[0]))

    def forward(self, tokens, times=1.0):
        before = self.positions(torch.arange(tokens.shape[1]))  # a lookup that is none of the tokens
        return self.after(self.embed(tokens), tokens, times) + 0 * before.sum()


def by_hand(net, tokens, target=1):
    words = net.words(tokens).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net.after(words, tokens)[:, target].sum(), words)
    return words.detach(), gradient


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS.int(), TOKENS[1:]])
def test_gradients_and_relevance_start_at_the_embedding(tokens):
    net = Reader()
    words, gradient = by_hand(net, tokens)
    for _ in range(2):  # looked at, then prepared
        found = attribution(net, tokens, ["saliency", "input_x_gradient", "lrp:epsilon"], 1)
        assert found.maps["saliency"].shape == (len(tokens), 6, 5)
        torch.testing.assert_close(found.maps["saliency"], gradient.mT)
        torch.testing.assert_close(found.maps["input_x_gradient"], (gradient * words).mT)
        torch.testing.assert_close(found.maps["lrp:epsilon"], (gradient * words).mT, rtol=1e-4, atol=1e-9)
        torch.testing.assert_close(found.logits, net(tokens).detach())


def test_methods_that_compare_replace_embeddings():
    net, tokens = Reader(), TOKENS + 1  # the embedding of 0 is the baseline itself
    words, _ = by_hand(net, tokens)
    black = torch.zeros(2, 6, 5, dtype=torch.float64)
    maps = matxai.attribute(net, tokens, ["integrated_gradients", "deep_lift"], 1, baseline=lambda name: black)
    gradients = captum.attr.IntegratedGradients(lambda w: net.after(w, tokens.repeat(len(w) // 2, 1)))
    expected = gradients.attribute(words, torch.zeros_like(words), target=1, n_steps=200)
    torch.testing.assert_close(maps["integrated_gradients"], expected.mT, rtol=2e-2, atol=1e-3)
    change = net.after(words, tokens)[:, 1] - net.after(torch.zeros_like(words), tokens)[:, 1]
    torch.testing.assert_close(maps["deep_lift"].flatten(1).sum(1), change.detach())


def test_further_inputs_and_keywords_go_along():
    net = Reader()
    _, gradient = by_hand(net, TOKENS)
    given = {"times": torch.tensor([[2.0], [3.0]]).double()}
    maps = matxai.attribute(net, {"tokens": TOKENS}, "saliency", 1, inputs=given)["saliency"]
    torch.testing.assert_close(maps["tokens"], (gradient * given["times"][:, None]).mT)


@pytest.mark.parametrize(
    ("net", "tokens", "says"),
    [
        (Reader(), TOKENS + 5, "The tokens are 5 to 9; the model's embedding has 9, from 0 on"),
        (nn.Flatten(), TOKENS, "type torch.int64; convert it to floating point.* looks up in an nn.Embedding"),
        (torch.export.export(Reader(), (TOKENS,)).module(), TOKENS, "give the module it was exported from"),
    ],
    ids=["range", "no embedding", "exported"],
)
def test_tokens_that_cannot_be_explained(net, tokens, says):
    with pytest.raises(ModelError, match=says):
        matxai.attribute(net, tokens, "saliency", 1)


def test_a_length_asked_for_does_not_stop_deep_lift():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(4, 2).double()

        def forward(self, x):
            return self.out(torch.relu(x) * len(x)) / len(x)

    assert matxai.attribute(Counting(), torch.randn(1, 4).double(), "deep_lift", 0)["deep_lift"].shape == (1, 4)
