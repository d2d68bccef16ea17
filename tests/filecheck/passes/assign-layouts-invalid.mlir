// RUN: xdsl-opt %s -p assign-layouts --split-input-file --verify-diagnostics | filecheck %s

// CHECK: llm.get_weight names @w, which the module does not declare
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  func.func @k(%x: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
    %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %w = llm.get_weight @w : tensor<32x32xf16>
    %y = llm.linear %h, %w : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf16>
    host.write %y, %x rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
}

// -----

// CHECK: the module has no llm.bounds: run llm-specialize first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @k() attributes {device = "npu"} {
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    func.return
  }
}
