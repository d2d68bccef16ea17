// Caches in pages: the page of a row tile is looked up before the row is opened.

// RUN: xdsl-opt %s -p pim-expand | filecheck %s

// CHECK:      func.func @append
// CHECK:        %page_index = arith.divui %group, %c2 : index
// CHECK-NEXT:   %page = host.page @keys %slot[%page_index]
// CHECK-NEXT:   %in_page = arith.remui %group, %c2 : index
// CHECK:        pim.write({{.*}} row = %keys + 2 * %layer + 4 * %page + %in_page + %part, offset = 0, bytes = 64)
// CHECK:        %page_1 = host.page @values %slot[%chunk]
// CHECK:        pim.scatter({{.*}} row = %values + 8 * %layer + 16 * %page_1 + %2, offset = 2 * %element, banks = 4)
// CHECK:      func.func @scores
// CHECK:        %page = host.page @keys %slot[%page_index]
// CHECK-NEXT:   %in_page = arith.remui %group, %c2 : index
// CHECK-NEXT:   pim.activate(row = %keys + 2 * %layer + 4 * %page + %in_page, channel = %home, channels = 1)

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 256, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @keys : tensor<2x6x2x32x16xf16> layout #pim.keys<slots = 6, channels = 1, groups = 2, rows_per_token = 1, heads_per_row = 2, head_dim = 16, page_tokens = 8, pages = 4>
  host.memory @values : tensor<2x6x2x32x16xf16> layout #pim.values<slots = 6, channels = 1, groups = 8, groups_per_head = 4, rows_per_sequence = 8, row_elements = 128, head_dim = 16, page_tokens = 128, pages = 4>
  func.func @append(%k: !host.buffer<4x32xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
    func.return
  }
  func.func @scores(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32, softmax>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x4x32xf32, softmax>
    func.return
  }
}
