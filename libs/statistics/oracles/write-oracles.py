"""Writes oracles.json, the values that src/written-oracles.spec.ts compares libs/statistics with.

From this folder, with Python 3.11 or later:

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python write-oracles.py

Each value comes from a library, an integral or exact fractions, never from the formula that libs/statistics has.
"""

import json
from fractions import Fraction
from importlib.metadata import version
from math import exp, sqrt
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.integrate import quad
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import DescrStatsW

MASK = 0xFFFFFFFF


def mulberry32(seed):
    """The generator of libs/testing, in 32-bit arithmetic."""
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & MASK
        t = ((state ^ (state >> 15)) * (1 | state)) & MASK
        t ^= (t + (t ^ (t >> 7)) * (61 | t)) & MASK
        yield (t ^ (t >> 14)) / 4294967296


def nearly_normal(seed, n):
    """Sums of twelve uniforms minus six."""
    chance = mulberry32(seed)
    rows = []
    for _ in range(n):
        total = 0.0
        for _ in range(12):
            total += next(chance)
        rows.append(total - 6)
    return np.array(rows)


def newcombe(hits1, n1, hits2, n2):
    low, high = confint_proportions_2indep(hits1, n1, hits2, n2, method="newcomb", compare="diff")
    return {"first": [hits1, n1], "second": [hits2, n2], "low": float(low), "high": float(high)}


def hanley_mcneil(auc, positives, negatives):
    """Q1 and Q2 integrated over the exponential scores on which Hanley and McNeil base them, not in closed form."""
    mean = auc / (1 - auc)  # of the positives; the negatives have mean 1, so that P(positive > negative) is auc
    q1, _ = quad(lambda x: exp(-x) * exp(-x / mean) ** 2, 0, np.inf, epsabs=1e-13)
    q2, _ = quad(lambda u: (1 - exp(mean * np.log(u))) ** 2, 0, 1, epsabs=1e-13)  # u = P(a positive lies above)
    variance = (auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)) / (
        positives * negatives
    )
    half = stats.norm.ppf(0.975) * sqrt(variance)
    return {
        "auc": auc,
        "positives": positives,
        "negatives": negatives,
        "low": max(0.0, float(auc - half)),
        "high": min(1.0, float(auc + half)),
    }


def mean_interval(values):
    low, high = DescrStatsW(values).zconfint_mean(alpha=0.05)
    return {"values": list(values), "low": float(low), "high": float(high)}


WIDTH = Fraction(102, 100)


def power_below(value):
    """The greatest k with 1.02^k <= value, by exact fractions."""
    k = 0
    power = Fraction(1)
    while power > value:
        k, power = k - 1, power / WIDTH
    while power * WIDTH <= value:
        k, power = k + 1, power * WIDTH
    return k


def cell(value):
    """Cell 1 is the one that holds 1e-9; below are zeros, and above 1e15 all is as 1e15."""
    magnitude = min(abs(Fraction(value)), Fraction(10**15))
    if magnitude < Fraction(1e-9):
        return 0
    number = power_below(magnitude) - power_below(Fraction(1e-9)) + 1
    return -number if value < 0 else number


def quantiles(values):
    """A value of the sample at or below which a share q lies; its cell's mean is within the width of a cell."""
    wanted = [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]
    return [[q, float(np.quantile(values, q, method="inverted_cdf"))] for q in wanted]


def kolmogorov_smirnov(seeds, rows, shift, scale):
    reference = nearly_normal(seeds[0], rows)
    current = shift + scale * nearly_normal(seeds[1], rows)
    exact = stats.ks_2samp(reference, current).statistic
    edges = np.quantile(reference, np.arange(1, 10) / 10)
    shares = [np.searchsorted(np.sort(sample), edges, side="right") / rows for sample in (reference, current)]
    return {
        "seeds": seeds,
        "rows": rows,
        "shift": shift,
        "scale": scale,
        "exact": float(exact),
        "atDeciles": float(np.max(np.abs(shares[0] - shares[1]))),
    }


latencies = np.exp(nearly_normal(7, 500) / 2 + 2)

oracles = {
    "origin": "Written by libs/statistics/oracles/write-oracles.py with "
    + ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "statsmodels")),
    "newcombe": [
        newcombe(*counts)
        for counts in ((56, 70, 48, 80), (9, 10, 3, 10), (0, 20, 0, 30), (5, 5, 0, 8), (480, 1000, 450, 1000))
    ],
    "hanleyMcNeil": [
        hanley_mcneil(*case) for case in ((0.893, 51, 58), (0.5, 40, 400), (0.75, 300, 20), (0.97, 8, 5))
    ],
    "mean": [mean_interval(values) for values in ([1, 2, 3, 4], [-0.5, 0.25, 8, 100.125, 3.5], [7, 7])],
    "chiSquareSurvival": [
        [x, df, float(stats.chi2.sf(x, df))]
        for df in (1, 2, 3, 9, 30, 99)
        for x in (0.01, 0.5, 2, 9, 30, 120, 400)
    ],
    "kolmogorovSmirnov": [
        kolmogorov_smirnov([1, 2], 2000, 0.3, 1.2),
        kolmogorov_smirnov([1, 3], 2000, 0, 1),
        kolmogorov_smirnov([4, 5], 500, -1, 0.5),
    ],
    "cells": [
        [value, cell(value)]
        for value in (0, 5e-10, 2e-9, -2e-9, 0.003, 0.99, 1.01, 1.03, -1.03, 12.5, 812, 65000, 3e9, 9e14, 1e15, 1e300, -1e300)
    ],
    "latencies": {"seed": 7, "rows": 500, "quantiles": quantiles(latencies)},
}

Path(__file__).with_name("oracles.json").write_text(json.dumps(oracles, indent=2) + "\n")
