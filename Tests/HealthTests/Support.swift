import Glibc

func pow2(_ exponent: Double) -> Double { exp2(exponent) }
