"""Writes scores.csv: NMI and AC of 1,000 pairs of labellings by scikit-learn and SciPy, which tests/evaluate makes again by
the same rule. Needs numpy, scipy and scikit-learn.

    python3 tests/evaluate/scores.py > tests/evaluate/scores.csv
"""
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

state = 1


def below(n):
    """Knuth's MMIX generator, the upper 32 bits."""
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return (state >> 32) % n


print("nmi,ac")
for _ in range(1000):
    n, classes, clusters, agreement = 1 + below(200), 1 + below(12), 1 + below(15), below(11)
    y, c = [], []
    for _ in range(n):
        label, other = below(classes), below(clusters)
        y.append(label)
        c.append(label if below(10) < agreement else other)
    table = contingency_matrix(y, c)
    rows, columns = linear_sum_assignment(-table)
    print(f"{float(normalized_mutual_info_score(y, c))!r},{float(table[rows, columns].sum() / n)!r}")
