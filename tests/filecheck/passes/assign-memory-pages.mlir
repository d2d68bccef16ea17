// Pages for as many full sequences as there are slots, or for what the other tensors leave.

// RUN: xdsl-opt %s -p assign-memory --split-input-file --verify-diagnostics | filecheck %s
// RUN: xdsl-opt %s -p 'assign-memory{capacity=ignore}' --split-input-file | filecheck %s --check-prefix=IGNORE

// 3 slots lie in each of 2 channels, 32 tokens of each want 8 pages of keys and 4 of values. The weights leave 63 rows, and 8
// tokens take 2 pages of 2 rows (a row in each of 2 layers) and one of 6: 6 times 8 tokens fit.
// CHECK: host.memory @keys : {{.*}} page_tokens = 4, pages = 12> {row = 1 : i64}
// CHECK-NEXT: host.memory @values : {{.*}} page_tokens = 8, pages = 6> {row = 25 : i64}

// IGNORE: host.memory @keys : {{.*}} page_tokens = 4, pages = 24> {row = 1 : i64}
// IGNORE-NEXT: host.memory @values : {{.*}} page_tokens = 8, pages = 12> {row = 49 : i64}

builtin.module attributes {llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 2, context = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [mac]>} {
  host.memory @norm : tensor<2x20xf16> layout #npu.row_major<row_bytes = 40> {source = "norm"}
  host.memory @keys : tensor<2x6x2x32x16xf16> layout #pim.keys<slots = 6, channels = 1, groups = 1, rows_per_token = 1, heads_per_row = 2, head_dim = 16, page_tokens = 4, pages = 0>
  host.memory @values : tensor<2x6x2x32x16xf16> layout #pim.values<slots = 6, channels = 1, groups = 8, groups_per_head = 4, rows_per_sequence = 3, row_elements = 8, head_dim = 16, page_tokens = 8, pages = 0>
}

// -----

// CHECK: pages for 8 tokens need 10 rows in every bank of machine t, the weights leave 8
builtin.module attributes {llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 2, context = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 9, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [mac]>} {
  host.memory @norm : tensor<2x20xf16> layout #npu.row_major<row_bytes = 40> {source = "norm"}
  host.memory @keys : tensor<2x6x2x32x16xf16> layout #pim.keys<slots = 6, channels = 1, groups = 1, rows_per_token = 1, heads_per_row = 2, head_dim = 16, page_tokens = 4, pages = 0>
  host.memory @values : tensor<2x6x2x32x16xf16> layout #pim.values<slots = 6, channels = 1, groups = 8, groups_per_head = 4, rows_per_sequence = 3, row_elements = 8, head_dim = 16, page_tokens = 8, pages = 0>
}
