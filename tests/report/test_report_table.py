"""One tidy table: closed-form shares and areas, stable columns, the same in CSV and Parquet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from matxai.checks.verdict import Verdict
from matxai.errors import ExplanationError, FileError
from matxai.regions.region import Region
from matxai.report import ReportItem, tidy_table, write_table
from matxai.report.table import COLUMNS


@pytest.fixture
def checkerboard():
    """+3 in the upper half, +1 and -2 in the lower; pixels of 0.5 um by 2 um; one row was never seen."""
    values = np.zeros((6, 4))
    values[1:3], values[3:, :2], values[3:, 2:] = 3.0, 1.0, -2.0
    values[0] = np.nan
    return xr.Dataset(
        {"m": (("y", "x"), values, {"method": "lrp", "signed": 1, "class": "crack"})},
        coords={
            "y": ("y", np.arange(6) * 2.0, {"units": "um"}),
            "x": ("x", np.arange(4) * 0.5, {"units": "um"}),
            "signal": (("y", "x"), np.zeros((6, 4))),
        },
        attrs={"matxai": '{"target": {"class": "crack", "score": 4.5}, "scores": [{"class": "crack", "logit": 4.5, "probability": 0.9}]}'},  # noqa: E501
    )  # fmt: skip


def region(rows):
    mask = np.zeros((6, 4), bool)
    mask[rows] = True
    return Region(mask, "info_bar", "tag")


def test_shares_and_areas_in_closed_form(checkerboard):
    table = tidy_table([ReportItem("a.tif", checkerboard, regions=[region(slice(3, None))], truth="pore")])
    assert list(table.columns) == list(COLUMNS)
    whole, bar = table.iloc[0], table.iloc[1]
    assert (whole.region, whole.share_positive, whole.share_negative) == ("all", 1.0, 1.0)
    assert whole["sum"] == 24 + 6 - 12
    assert whole.area_px == 24
    assert whole.area_um2 == pytest.approx(24 * 0.5 * 2.0)
    assert (bar.region, bar.share_positive, bar.share_negative) == ("info_bar", pytest.approx(6 / 30), 1.0)
    assert bar.area_um2 == pytest.approx(12.0)
    assert (bar.file, bar["class"], bar.score, bar.probability, bar.truth) == ("a.tif", "crack", 4.5, 0.9, "pore")


def test_evidence_and_verdicts_have_rows_with_their_effects(checkerboard):
    top = {"method": "lrp", "share": 0.25, "top_drop": 1.5, "rank": 1, "n_controls": 19, "sentence": "It matters."}
    verdict = Verdict("?", "leak", "It reads the bar.", effect=0.4, interval=(0.2, 0.6), n=50)
    table = tidy_table(
        [ReportItem("a.tif", checkerboard, top, verdicts=[verdict], rows=[{"region": "drawn", "effect": 0.1}])]
    )
    removed, judged, own = table.iloc[1], table.iloc[2], table.iloc[3]
    assert (removed.region, removed.effect, removed["rank"], removed.n, removed.area_px) == ("map_top", 1.5, 1, 19, 6)
    assert pd.isna(removed.interval_low)  # nobody gave an interval, so there is none
    assert (judged.effect, judged.interval_low, judged.interval_high, judged.answer) == (0.4, 0.2, 0.6, "leak")
    assert (own.file, own.region, own.effect) == ("a.tif", "drawn", 0.1)
    with pytest.raises(ExplanationError, match=r"no column 'efect'.*effect"):
        tidy_table([ReportItem("a.tif", checkerboard, rows=[{"efect": 1}])])


def test_methods_left_out_have_rows_that_say_why(checkerboard, tmp_path):
    why = {"score_cam": "It needs 512 forward passes.", "attention": "The model has no attention."}
    table = tidy_table([ReportItem("a.tif", checkerboard)], left_out=why)
    assert table.method.tolist() == ["lrp", "score_cam", "attention"]
    assert table.file.tolist() == ["a.tif", "", ""]
    assert dict(zip(table.method[1:], table.sentence[1:], strict=True)) == why
    assert table["sum"].isna().tolist() == [False, True, True]
    assert "score_cam" in write_table(table, tmp_path)[0].read_text()


def test_a_row_for_each_layer_and_each_slice(ds, stack):
    table = tidy_table([ReportItem("a.tif", ds), ReportItem("ct", stack)])
    cams = table[table.method == "grad_cam"]
    assert cams.layer.tolist() == ["layer4", "layer3"]
    slices = table[table.file == "ct"]
    assert slices["slice"].tolist() == [f"z {i} of 5" for i in range(1, 6)]
    assert slices["sum"].tolist() == [0, 0, 0, 100, 0]
    assert slices.share_positive.isna().tolist() == [True, True, True, False, True]  # of nothing there is no share


def test_an_uncalibrated_image_has_no_area_in_um2(make):
    table = tidy_table([ReportItem("a.tif", make(step=1.0, units="pixel"))])
    assert table.area_um2.isna().all()
    assert (table.area_px == 96 * 128).all()


def test_a_curve_has_a_row_and_no_area(spectrum):
    (row,) = tidy_table([ReportItem("si.xy", spectrum)]).itertuples()
    assert row.share_positive == 1.0
    assert pd.isna(row.area_um2)


def test_csv_and_parquet_hold_the_same(checkerboard, tmp_path):
    table = tidy_table([ReportItem("=cmd|' /C calc'!A0, \"x\"\n.tif", checkerboard, regions=[region(slice(3, None))])])
    csv, parquet = write_table(table, tmp_path)
    assert (csv.name, parquet.name) == ("table.csv", "table.parquet")
    back = pd.read_parquet(parquet)
    pd.testing.assert_frame_equal(back.astype(COLUMNS), table)
    read = pd.read_csv(csv).astype(COLUMNS)
    np.testing.assert_allclose(read["sum"], table["sum"])
    assert len(read) == len(table)
    assert read.share_positive.tolist() == table.share_positive.tolist()


def test_an_empty_run_has_the_columns_and_a_full_folder_is_told(tmp_path):
    table = tidy_table([])
    assert list(table.columns) == list(COLUMNS)
    assert len(pd.read_parquet(write_table(table, tmp_path)[1])) == 0
    with pytest.raises(FileError, match="cannot be written"):
        write_table(table, tmp_path / "missing")


def test_a_name_that_a_spreadsheet_would_run_is_text(checkerboard, tmp_path):
    csv, _ = write_table(tidy_table([ReportItem("=1+1.tif", checkerboard)]), tmp_path)
    line = csv.read_text().splitlines()[1]
    assert line.startswith("'=1+1.tif,")
