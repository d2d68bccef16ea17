"""AttAcc's overlap formulas give its simulator's times, and never hide more than there is."""

import pytest

from pimlir.sim.analytic.overlap import AttentionStages, feed_forward_share, overlap_attention

# GPT-3 175B, batch 54, length 2049, one decoder, microseconds: per-operator rows of the published simulator. Attention is
# 30.124037 in the stacks and 1.980537 of softmax, which its overlap counts although its step does not.
STAGES = AttentionStages(60.580676681173664, 30.124037 + 5 * 2049 * 648 / 3.352e6, 15.494505124245403, 2 * 1.10592)


def test_head_level_pipelining_gives_the_published_times():
    left = overlap_attention(STAGES, 12, pipelined=True)
    assert left.qkv == pytest.approx(38.508782061096106, rel=1e-9)
    assert left.proj == pytest.approx(8.137206917552883, rel=1e-9)
    assert left.transfer / 2 == pytest.approx(0.09216, rel=1e-9)


def test_without_it_only_the_link_is_hidden():
    left = overlap_attention(STAGES, 12, pipelined=False)
    assert (left.qkv, left.proj) == (STAGES.qkv, STAGES.proj)
    assert left.transfer == pytest.approx(STAGES.transfer / 12)


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("stages", [(60, 5, 15, 1), (60, 100, 15, 1), (60, 5, 15, 20), (1, 5, 1, 20), (60, 70, 15, 80)])
def test_some_of_each_stage_is_left(stages, pipelined):
    before = AttentionStages(*map(float, stages))
    after = overlap_attention(before, 12, pipelined)
    assert after.attention == before.attention
    for name in ("qkv", "proj", "transfer"):
        assert 0 < getattr(after, name) <= getattr(before, name), name


def test_pipelining_hides_no_more_than_attention_lasts():
    after = overlap_attention(STAGES, 12, pipelined=True)
    assert STAGES.qkv + STAGES.proj - after.qkv - after.proj == pytest.approx(STAGES.attention * 11 / 12)


def test_feed_forward_shares_give_the_published_times():
    memory = feed_forward_share("memory", 54, 2, 312.0, 3352.0, 9 * 3352.0)
    assert 60.406008704197674 * (1 - memory) == pytest.approx(51.77657888931229, rel=1e-9)
    compute = feed_forward_share("compute", 117, 2, 312.0, 3352.0, 9 * 3352.0)
    assert 26.336327441860465 * (1 - compute) == pytest.approx(24.01432676889851, rel=1e-9)


def test_both_sides_finish_their_share_together():
    share = feed_forward_share("memory", 16, 2, 312.0, 3352.0, 9 * 3352.0)
    assert (1 - share) / 3352.0 == pytest.approx(share * 16 / (9 * 3352.0))
