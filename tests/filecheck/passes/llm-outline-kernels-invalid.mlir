// RUN: xdsl-opt %s -p llm-outline-kernels --split-input-file --verify-diagnostics | filecheck %s

// CHECK: the module has no llm.bounds: run llm-specialize first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    func.return %tokens : tensor<?xi32>
  }
}

// -----

// CHECK: llm.argmax has no device: run llm-place first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %logits = "test.op"() {device = "npu"} : () -> tensor<?x32xf32>
    %next = llm.argmax %logits : tensor<?x32xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}

// -----

// CHECK: llm.all_reduce replaces its operand, which has 2 uses
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @table : tensor<32x16xf16>
    %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<32x16xf16> -> tensor<?x16xf16>
    %y = llm.all_reduce %x {devices = 2 : i64, device = "link"} : tensor<?x16xf16>
    %z = llm.add %x, %y {device = "npu"} : tensor<?x16xf16>
    %next = llm.argmax %z {device = "npu"} : tensor<?x16xf16> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
