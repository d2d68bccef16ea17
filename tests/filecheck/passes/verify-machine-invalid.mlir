// RUN: xdsl-opt %s -p verify-machine --split-input-file --verify-diagnostics | filecheck %s

// CHECK: the module has no npu.core: run attach-machine{name=...} first
builtin.module {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: host.memory @w has no place at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: host.address_of is not allowed at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %w = host.address_of @w
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: npu.greedy is not allowed at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf32>, %y: !host.buffer<4xi32>, %n: index) attributes {device = "npu"} {
    npu.greedy %x -> %y rows %n {columns = 64 : i64} : !host.buffer<4x64xf32> -> !host.buffer<4xi32>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: pim.copy_row is not a command of machine t, which has write_buffer, activate, mac
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "pim"} {
    pim.copy_row(bank = 0, row = 0, column = 0, columns = 4, buffer_column = 0, channel = 0, channels = 1)
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: npu.preload needs a systolic array, machine t has none
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 0, array_rows = 0, array_cols = 0, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    npu.preload(array = 0, weights = %x, weights_stride = 32, k = 16, n = 16) : !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: a host.buffer has no address at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %t = host.buffer : !host.buffer<16x16xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: field 'dst' of npu.fill names a host.buffer, expected its address at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %t = host.buffer {address = 0 : i64} : !host.buffer<16x16xf16>
    npu.fill(dst = %t, dst_stride = 32, dst_type = f16, rows = 16, cols = 16) : !host.buffer<16x16xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @step: a host.buffer has no address at stage machine
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %b = host.buffer : !host.buffer<16x16xf16>
    func.return
  }
}

// -----

// CHECK: @k: npu.load runs on queue dma, expected one of ld0, ld1, st, mx, vx
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    npu.load(dram = 0, dram_stride = 128, rows = 1, row_bytes = 512, local = %x, local_stride = 512) {queue = "dma"} : !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}
