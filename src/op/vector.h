/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loops that the compiler vectorises three times over, for every x86-64, for AVX2 and for AVX-512,
 * and elementary functions that can be part of such a loop.
 *
 * The functions are straight-line double arithmetic: no branch, no table, no library call, no fused
 * multiply-add. So one element alone, a tail and a vector of any width give the same bits, on every
 * machine. They are own ones because neither vector library does as well. Largest error in units in
 * the last place against long double, and ns per double in vectors of 4 (AVX2, Zen 3):
 *
 *              libm           libmvec 2.36     SLEEF 3.5 u10       here
 *     exp      0.5   5.9      3.1   1.2        0.9   1.9           0.7   1.7
 *     expm1    0.8   13       2.9   1.3        1.0   4.2           1.1   1.9
 *     log      0.5   5.0      1.6   1.5        0.8   3.5           0.8   2.1
 *     log1p    0.8   9-14     2.4   2.0        0.8   3.8           0.8   2.6
 *     tanh     2.1   18       2.2   3.4        1.0   5.7           1.3   2.7
 *     sin      0.5   13-20    3.5   1.4        0.8   2.6-5         0.8   3.0
 *     cos      0.5   15-20    3.7   1.1        0.7   2.8-5         0.8   2.9
 *
 * (SLEEF's log1p is infinite at 1e308 and wrong for subnormal numbers.) The error of a function is
 * the noise of a finite difference; that is worth half a nanosecond. pow and erf stay libm's. */
#ifndef GPF_OP_VECTOR_H
#define GPF_OP_VECTOR_H

#include "base/cpu.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define GPF__INLINE static inline __attribute__((always_inline))
#else
#define GPF__INLINE static inline
#endif

/* In front of a loop: its iterations are independent. y may be x itself. */
#define GPF__SIMD _Pragma("omp simd")
/* The same, but for a variable `any` that collects bits. */
#define GPF__SIMD_OR(any) _Pragma("omp simd reduction(|: any)")

/* VERSIONS(type, give, name, parameters, arguments): the function `name` that runs `name_body`, a
 * GPF__INLINE function of the same parameters, in the version for this machine. give is `return`
 * if there is something to return. */
#ifdef GPF__X86
#define VERSIONS(type, give, name, parameters, arguments)   \
    GPF__TARGET_AVX512 static type name##_avx512 parameters \
    {                                                       \
        give name##_body arguments;                         \
    }                                                       \
    GPF__TARGET_AVX2 static type name##_avx2 parameters     \
    {                                                       \
        give name##_body arguments;                         \
    }                                                       \
    static type name parameters                             \
    {                                                       \
        const int cpu = gpf__cpu();                         \
        if (cpu == GPF__CPU_AVX512)                         \
            give name##_avx512 arguments;                   \
        else if (cpu == GPF__CPU_AVX2)                      \
            give name##_avx2 arguments;                     \
        else                                                \
            give name##_body arguments;                     \
    }
#else
#define VERSIONS(type, give, name, parameters, arguments) \
    static type name parameters                           \
    {                                                     \
        give name##_body arguments;                       \
    }
#endif

GPF__INLINE uint64_t gpf__bits(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

GPF__INLINE double gpf__from_bits(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* c ? a : b by a mask. A conditional with a constant in it makes compilers split the whole path and
 * then not vectorise the loop. */
GPF__INLINE double gpf__pick(int c, double a, double b)
{
    const uint64_t mask = 0 - (uint64_t)c;
    return gpf__from_bits((gpf__bits(a) & mask) | (gpf__bits(b) & ~mask));
}

/* Added to an integer |k| < 2^51 it leaves k in the low bits of the sum; added to any such number
 * and taken away again it rounds to the nearest integer. */
#define GPF__ROUND 0x1.8p52

/* e^x = 2^k (s + t), |x - k ln 2| <= ln(2)/2, s = 1 + r rounded, t what was lost of it and the rest
 * of the series, r^2 q(r). The low bits of n hold k + 2046. |x| < 2^20. */
typedef struct gpf__split {
    uint64_t n;
    double s, t;
} gpf__split;

GPF__INLINE gpf__split gpf__exp_split(double x)
{
    const double n = x * 0x1.71547652b82fep+0 + (GPF__ROUND + 2046), k = n - (GPF__ROUND + 2046);
    const double high = x - k * 0x1.62e42fefa2000p-1, low = k * 0x1.9ef35793c7673p-41;
    const double r = high - low, r2 = r * r, r4 = r2 * r2;
    const double q01 = 0x1.000000000000cp-1 + r * 0x1.5555555555561p-3,
                 q23 = 0x1.555555554ff41p-5 + r * 0x1.111111110d57ap-7,
                 q45 = 0x1.6c16c185e1d8ap-10 + r * 0x1.a01a01bb25971p-13,
                 q67 = 0x1.a01995e82c3d2p-16 + r * 0x1.71dddf3116d07p-19,
                 q89 = 0x1.28b0f15088c1ep-22 + r * 0x1.af8682750d0f4p-26;
    const double q = (q01 + r2 * q23) + r4 * ((q45 + r2 * q67) + r4 * q89);
    const double s = 1 + r;
    return (gpf__split){ gpf__bits(n), s, (((1 - s) + high) - low) + r2 * q };
}

/* y 2^k, k as in gpf__split.n, in two steps: each power is a normal number, also where y 2^k is
 * infinite or subnormal. */
GPF__INLINE double gpf__scaled(double y, uint64_t n)
{
    const uint64_t half = n >> 1;
    return y * gpf__from_bits(half << 52) * gpf__from_bits((n - half) << 52);
}

GPF__INLINE double gpf__exp(double x)
{
    const gpf__split e = gpf__exp_split(x);
    const double y = gpf__scaled(e.s + e.t, e.n);
    return gpf__pick(x > 710, HUGE_VAL, gpf__pick(x < -750, 0, y));
}

/* 2^k s - 1 rounded, what was lost of it, 2^k t */
GPF__INLINE double gpf__expm1(double x)
{
    const gpf__split e = gpf__exp_split(x);
    const double w = gpf__scaled(e.s, e.n), d = w - 1, b = d - w;
    const double lost = (w - (d - b)) - (1 + b);
    const double y = d + (lost + gpf__scaled(e.t, e.n));
    return gpf__pick(x > 0x1.62e42fefa39efp+9, HUGE_VAL, gpf__pick(x < -60, -1, copysign(y, x)));
}

/* log(2^k (1 + f)) = k ln 2 + f - (f^2/2 - s (f^2/2 + R)), s = f/(2 + f), R = z r(z), z = s^2, from
 * log(1 + f) = log(1 + s) - log(1 - s) = 2s + s R;  c: a small number to add. */
GPF__INLINE double gpf__log_sum(double k, double f, double c)
{
    const double s = f / (2 + f), z = s * s, z2 = z * z;
    const double r01 = 0x1.555555555555ep-1 + z * 0x1.999999998f06bp-2,
                 r23 = 0x1.249249365b7c4p-2 + z * 0x1.c71c5a3fcc5aep-3,
                 r45 = 0x1.7464c1b9fd848p-3 + z * 0x1.39c417a4db259p-3;
    const double r = (r01 + z2 * r23) + z2 * z2 * (r45 + z2 * 0x1.2dcc6c7ef8369p-3);
    const double half = 0.5 * f * f;
    const double most = k * 0x1.62e42fefa2000p-1, sum = most + f, lost = (most - sum) + f;
    return sum + (lost - (half - (s * (half + z * r) + (k * 0x1.9ef35793c7673p-41 + c))));
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2), for a normal x > 0. */
typedef struct gpf__float {
    double k, m;
} gpf__float;

GPF__INLINE gpf__float gpf__float_of(double x)
{
    const uint64_t low = gpf__bits(0x1.6a09e667f3bcdp-1), one = gpf__bits(1.0),
                   b = gpf__bits(x) + (one - low);
    const double k = gpf__from_bits(b >> 52 | gpf__bits(0x1p52)) - (0x1p52 + 1023);
    return (gpf__float){ k, gpf__from_bits((b & 0xfffffffffffffu) + low) };
}

/* What log has to say of a u that is not a positive number. */
GPF__INLINE double gpf__log_edges(double u, double y)
{
    const double edge = u == 0 ? -HUGE_VAL : u < 0 ? (double)NAN : u; /* infinity, NaN */
    return ((u > 0) & (u < HUGE_VAL)) ? y : edge;
}

GPF__INLINE double gpf__log(double x)
{
    const double tiny = x < 0x1p-1022 ? 0x1p54 : 1, shift = x < 0x1p-1022 ? 54 : 0;
    const gpf__float u = gpf__float_of(x * tiny);
    return gpf__log_edges(x, gpf__log_sum(u.k - shift, u.m - 1, 0));
}

/* log(1 + x) = log(u) + c/u, u = 1 + x rounded, c what was lost; x itself where k = 0. */
GPF__INLINE double gpf__log1p(double x)
{
    const double u = 1 + x, b = u - 1, c = (1 - (u - b)) + (x - b);
    const gpf__float v = gpf__float_of(u);
    const double f = v.k == 0 ? x : v.m - 1, lost = v.k == 0 ? 0 : c / u;
    return copysign(gpf__log_edges(u, gpf__log_sum(v.k, f, lost)), x);
}

/* tanh x = x - x^3 P/Q (Lambert's continued fraction) below 5/8, 1 - 2/(e^2x + 1) above: one
 * division, and no cancellation in either. */
GPF__INLINE double gpf__tanh(double x)
{
    const double u = fabs(x), z = u * u;
    const gpf__split e = gpf__exp_split(2 * u);
    const double p = (675675 + z * 45045) + z * z * (594 + z),
                 q = (2027025 + z * 945945) + z * z * ((51975 + z * 630) + z * z);
    const double above = (e.s + e.t) * gpf__from_bits((e.n - 1023) << 52) + 1;
    const double base = u < 0.625 ? u : 1, over = u < 0.625 ? u * z * p : 2,
                 under = u < 0.625 ? q : above;
    return copysign(gpf__pick(u > 25, 1, base - over / under), x);
}

/* 1/cosh^2 x = 4 t/(1 + t)^2 with t = e^(-2|x|) <= 1: no overflow, no cancellation. */
GPF__INLINE double gpf__sech2(double x)
{
    const double t = gpf__exp(-2 * fabs(x));
    return 4 * t / (1 + t * (2 + t));
}

GPF__INLINE double gpf__sigmoid(double x)
{
    const double t = gpf__exp(-fabs(x));
    return (x < 0 ? t : 1) / (1 + t);
}

/* log(1 + e^x) */
GPF__INLINE double gpf__softplus(double x)
{
    return (x < 0 ? 0 : x) + gpf__log1p(gpf__exp(-fabs(x)));
}

/* x = k pi/2 + (y + lost), |y| <= pi/4; pi/2 in three parts, products with the first two exact.
 * |x| <= GPF__TURNS. */
#define GPF__TURNS 0x1p20
typedef struct gpf__angle {
    double y, lost;
    uint64_t k; /* modulo 4 in the low bits */
} gpf__angle;

GPF__INLINE gpf__angle gpf__angle_of(double x)
{
    const double n = x * 0x1.45f306dc9c883p-1 + GPF__ROUND, k = n - GPF__ROUND;
    const double a = x - k * 0x1.921fb54400000p+0, w = k * 0x1.0b4611a600000p-34;
    const double b = a - w, v = b - a, rest = ((a - (b - v)) - (w + v)) - k * 0x1.3198a2e037073p-69;
    const double y = b + rest;
    return (gpf__angle){ y, (b - y) + rest, gpf__bits(n) };
}

/* sin(k pi/2 + y) from sin y and cos y: the odd quarters take the cosine, the upper two change
 * sign. */
GPF__INLINE double gpf__sin_of(gpf__angle t)
{
    const double y = t.y, z = y * y, z2 = z * z, half = 0.5 * z, one = 1 - half;
    const double s01 = 0x1.111111111110bp-7 + z * -0x1.a01a01a018ab9p-13,
                 s23 = 0x1.71de3a5335d1dp-19 + z * -0x1.ae6452935d35bp-26,
                 s = s01 + z2 * (s23 + z2 * (0x1.61208f799b139p-33 + z * -0x1.aaa3a0474b056p-41));
    const double c01 = 0x1.555555555554cp-5 + z * -0x1.6c16c16c15177p-10,
                 c23 = 0x1.a01a019cb0192p-16 + z * -0x1.27e4f8082dc02p-22,
                 c = c01 + z2 * (c23 + z2 * (0x1.1ee9ea6475cbdp-29 + z * -0x1.8fadaef8d6e3bp-37));
    const double sine = y + (y * z * (-0x1.5555555555555p-3 + z * s) + t.lost * one),
                 cosine = one + (((1 - one) - half) + (z2 * c - y * t.lost));
    const uint64_t odd = 0 - (t.k & 1), flip = (t.k & 2) << 62;
    return gpf__from_bits(((gpf__bits(cosine) & odd) | (gpf__bits(sine) & ~odd)) ^ flip);
}

GPF__INLINE double gpf__sin(double x)
{
    return x == 0 ? x : gpf__sin_of(gpf__angle_of(x));
}

GPF__INLINE double gpf__cos(double x)
{
    gpf__angle t = gpf__angle_of(x);
    t.k++;
    return gpf__sin_of(t);
}

#endif
