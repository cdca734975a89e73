! Logistic regression as a program that gradproof can ask, gradproof(1), "PROTOCOL OF --exec": it reads
! lines of params w and writes lines with the loss and its gradient.
!
!     loss(w) = sum_i log(1 + exp(-s_i)) + |w|^2/20,   s_i = y_i x_i w,   y_i = 1 or -1
!     d loss/dw_j = -sum_i y_i x_ij / (1 + exp(s_i)) + w_j/10
!
! Build and check:
!     gfortran -o logistic_f logistic.f90
!     gradproof check --exec ./logistic_f --at 0.3,-0.8,1.1
!     prints: right: all 3 entries of df
program logistic
  use, intrinsic :: iso_fortran_env, only: output_unit
  implicit none
  integer, parameter :: dp = kind(1d0), n = 6, p = 3
  real(dp), parameter :: x(p, n) = reshape([1.0_dp, 0.52_dp, -1.7_dp, 1.0_dp, -1.31_dp, 0.44_dp, &
       1.0_dp, 0.83_dp, 1.26_dp, 1.0_dp, 2.05_dp, -0.6_dp, 1.0_dp, -0.27_dp, -0.9_dp, &
       1.0_dp, -1.88_dp, 0.15_dp], [p, n])
  real(dp), parameter :: y(n) = [-1.0_dp, -1.0_dp, 1.0_dp, 1.0_dp, -1.0_dp, 1.0_dp]
  real(dp) :: w(p), s(n), f, g(p)
  integer :: status

  do
     read (*, *, iostat=status) w
     if (status /= 0) exit
     s = y*matmul(w, x)
     f = sum(log(1 + exp(-s))) + sum(w**2)/20
     g = -matmul(x, y/(1 + exp(s))) + w/10
     ! One line whatever its length, exponents with an E, and out at once: a pipe is buffered.
     write (*, '(*(es26.17e3))') f, g
     flush (output_unit)
  end do
end program logistic
