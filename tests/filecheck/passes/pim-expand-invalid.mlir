// RUN: xdsl-opt %s -p pim-expand --split-input-file --verify-diagnostics | filecheck %s

// CHECK: no host.memory @w: run assign-layouts first
builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @v : tensor<8x64xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [3], passes_per_row = [2], rows_of_chunk = [1], rows_per_layer = 1>
  func.func @gemv(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
    pim.gemv %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x8xf32>
    func.return
  }
}

// -----

// CHECK: host.memory @w has layout #npu.row_major<row_bytes = 128>, expected #pim.matrix<…>
builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @w : tensor<8x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @gemv(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
    pim.gemv %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x8xf32>
    func.return
  }
}

// -----

// CHECK: input width of @w is 40, expected a multiple of 16: the f16 elements of a column of t
builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @w : tensor<8x40xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [3], passes_per_row = [2], rows_of_chunk = [1], rows_per_layer = 1>
  func.func @gemv(%x: !host.buffer<4x40xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
    pim.gemv %x, @w -> %y rows %rows : !host.buffer<4x40xf16> -> !host.buffer<4x8xf32>
    func.return
  }
}

// -----

// CHECK: a query of 128 elements needs 8 columns, the global buffer of t has 4
builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @keys : tensor<1x1x1x32x128xf16> layout #pim.keys<slots = 1, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 1, head_dim = 128>
  func.func @scores(%q: !host.buffer<4x128xf16>, %s: !host.buffer<4x1x32xf32, softmax>, %i: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%i] at %i slot %i -> %s rows %i : !host.buffer<4x128xf16> -> !host.buffer<4x1x32xf32, softmax>
    func.return
  }
}

// -----

// CHECK: the module has no pim.memory: run attach-machine{name=...} first
builtin.module {
  host.memory @w : tensor<8x64xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [3], passes_per_row = [2], rows_of_chunk = [1], rows_per_layer = 1>
  func.func @gemv(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
    pim.gemv %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x8xf32>
    func.return
  }
}
