"""Weights known beforehand, and frames that share one."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.weights.prior import read_prior, spread, tie, tied_groups

EXPECTED = np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    "text",
    [
        "1\n2\n3\n4\n",
        "# weights\n\n1\n2e0\n 3.0\n# half\n4",
        "weight\n1\n2\n3\n4\n",
        "frame,Weight,source\n0,1,a\n1,2,b\n2,3,c\n3,4,d\n",
        'source,weight\n"a, b.xtc",1\nc,2\nd,3\ne,4\n',
        "frame;weight\r\n0;1\r\n1;2\r\n2;3\r\n3;4\r\n",
        "frame\tweight\n0\t1\n1\t2\n2\t3\n3\t4\n",
        "time  weight\n0.0  1\n0.1  2\n0.2  3\n0.3  4\n",
        "frame,weight\n3,4\n0,1\n2,3\n1,2\n",
        "weight frame\n3 3\n4 4\n1 1\n2 2\n",
        "\ufeffweight\n1\n2\n3\n4\n",
    ],
)
def test_text_and_tables(tmp_path, text):
    path = tmp_path / "w.txt"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_allclose(read_prior(path, 4), EXPECTED, rtol=1e-15)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4)])
def test_numpy_files(tmp_path, dtype, shape):
    path = tmp_path / "w.npy"
    np.save(path, np.array([1, 2, 3, 4], dtype=dtype).reshape(shape))
    found = read_prior(path, 4)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-7)


def test_huge_weights_are_normalised_without_overflow(tmp_path):
    path = tmp_path / "w.txt"
    path.write_text("1e308\n1e308\n")
    np.testing.assert_array_equal(read_prior(path, 2), [0.5, 0.5])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1\n2\n3\n", "the file holds 3 weights for 4 frames"),
        ("1\n", "the file holds 1 weight for 4 frames"),
        ("1\n0\n3\n4\n", r"1 weight of 4 is not positive, first that of frame 1 \(0\)"),
        ("-1\n-2\n3\n4\n", "2 weights of 4 are not positive.*not their logarithms"),
        ("1\n0\n3\n4\n", "small weight, such as a hundredth"),
        ("frame,weight\n0,1\n0,2\n1,3\n2,4\n", "does not name each of 4 frames once, from 0 or from 1"),
        ("frame,weight\n2,1\n3,2\n4,3\n5,4\n", "does not name each of 4 frames once"),
        ("frame,weight\n-1,1\n0,2\n1,3\n2,4\n", "does not name each of 4 frames once"),
        ("frame,weight\n0,1\nx,2\n2,3\n3,4\n", "line 3 has x in place of the number of a frame"),
        ("1\nnan\n3\n4\n", r"frame 1 \(nan\)"),
        ("1\n2\ninf\n4\n", r"frame 2 \(inf\)"),
        ("1\n1e-300\n1\n1e300\n", "more than numbers can hold"),
        ("1\n2\n# note\nthree\n4\n", "line 4 has three in place of a weight"),
        ("frame,weight\n0,1\n1\n", "line 3 has nothing in place of a weight"),
        ("1 2\n3 4\n", "no column called weight"),
        ("# nothing\n\n", "the file is empty"),
        ("", "is empty"),
    ],
)
def test_text_that_cannot_be_used(tmp_path, text, told):
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=told) as error:
        read_prior(path, 4)
    assert str(path) in error.value.sentence


def test_a_cell_longer_than_any_table_has_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("frame,weight\n0," + "9" * 200_000 + "x\n")
    with pytest.raises(BadInput, match="in place of a weight"):
        read_prior(path, 1)


def test_numpy_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.ones((2, 2)))
    with pytest.raises(BadInput, match=r"shape \(2, 2\)"):
        read_prior(path, 4)
    np.save(path, np.ones(4, dtype=complex))
    with pytest.raises(BadInput, match="complex128"):
        read_prior(path, 4)
    np.save(path, np.array([1, None], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="no plain array"):
        read_prior(path, 2)
    np.save(path, np.ones(400))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInput, match="damaged"):
        read_prior(path, 400)
    path.write_bytes(b"\x93NUMPY\x01\x00\x0f\x00{'descr': (((\n")
    with pytest.raises(BadInput, match="damaged"):
        read_prior(path, 400)


def test_files_that_are_no_text_or_not_there(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="neither text"):
        read_prior(path, 4)
    with pytest.raises(BadInput, match="does not exist"):
        read_prior(tmp_path / "absent.csv", 4)


def test_neighbours_are_tied_in_blocks_and_the_last_may_be_short():
    np.testing.assert_array_equal(tied_groups(7, 3), [0, 0, 0, 1, 1, 1, 2])
    np.testing.assert_array_equal(tied_groups(3, 1), [0, 1, 2])
    np.testing.assert_array_equal(tied_groups(3, 9), [0, 0, 0])


def test_the_weight_of_a_block_is_shared_out_as_the_prior_does():
    groups, prior = tied_groups(5, 2), np.array([0.1, 0.3, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(tie(prior, groups), [0.4, 0.4, 0.2])
    block = np.array([[0.8, 0.0, 0.2], [0.4, 0.4, 0.2]])
    found = spread(block, groups, prior)
    np.testing.assert_allclose(found, [[0.2, 0.6, 0.0, 0.0, 0.2], prior])
    np.testing.assert_allclose([tie(weights, groups) for weights in found], block)
