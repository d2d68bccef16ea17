"""How amounts look."""

import io

import pytest

from pimlir.tools.console import Share, Table, print_tables


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0 %"), (0.5, "50.0 %"), (0.001, "0.1 %"), (0.000347, "0.035 %"), (3e-8, "0.0000030 %")]
)
def test_a_small_share_is_not_nothing(value, text):
    stream = io.StringIO()
    print_tables([Table("", ("",), [(Share(value),)])], stream)
    assert stream.getvalue().strip() == text
