/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; gpf_op_at(i); i++)
        assert_ptr_equal(gpf_op_find(gpf_op_at(i)->name, gpf_op_at(i)->arity), gpf_op_at(i));
    for (size_t i = 0; gpf_fn_at(i); i++)
        assert_ptr_equal(gpf_fn_find(gpf_fn_at(i)->name, gpf_fn_at(i)->arity), gpf_fn_at(i));
    /* one name, two rows by arity */
    assert_ptr_equal(gpf_op_find("max", 2), &gpf_op_max);
    assert_ptr_equal(gpf_op_find("max", 1), &gpf_op_max_over);
    assert_ptr_equal(gpf_op_find("max", GPF_VARIADIC), &gpf_op_max);
    assert_ptr_equal(gpf_op_find("concat", 7), &gpf_op_concat);
    assert_null(gpf_op_find("max", 3));
    assert_null(gpf_op_find("Max", 2));
    assert_null(gpf_op_find("", GPF_VARIADIC));
    assert_null(gpf_fn_find("mse", 1));
    assert_non_null(gpf_fn_find("mse", GPF_VARIADIC));
    assert_null(gpf_fn_find("tanh", 1)); /* a row, not a function */
    assert_null(gpf_op_at(SIZE_MAX));
    assert_null(gpf_fn_at(SIZE_MAX));
}

static void test_defaults(void **state)
{
    (void)state;
    const gpf_attr none = gpf_attr_default(NULL), zero = { .p = { 0 } };
    assert_memory_equal(&none, &zero, sizeof zero);
    const gpf_attr leaky = gpf_attr_default(gpf_op_leaky_relu.params);
    assert_true(leaky.p[0] == 0.01 && leaky.p[1] == 0);
    assert_int_equal(gpf_attr_default(gpf_op_sum.params).k[0], GPF_ALL_AXES);
    assert_int_equal(gpf_attr_default(gpf_op_softmax.params).k[0], -1);
}

/* Every parameter has its own place within the attributes, and a name. */
static void test_params_have_places(void **state)
{
    (void)state;
    for (size_t i = 0; gpf_op_at(i); i++) {
        unsigned real = 0, whole = 0;
        for (const gpf_op_param *p = gpf_op_at(i)->params; p && p->name; p++) {
            unsigned *used = p->kind == GPF_REAL ? &real : &whole;
            assert_true(p->slot >= 0 && p->slot < (p->kind == GPF_REAL ? 2 : 8));
            assert_false(*used >> p->slot & 1);
            *used |= 1u << p->slot;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_params_have_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
