/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the wrappers that build_ffi.py generates need from glue.c, and Python does not. */

void glue_enter(struct glue_call *call);
void glue_leave(struct glue_call *call);
void glue_set_missing(const char *function);
