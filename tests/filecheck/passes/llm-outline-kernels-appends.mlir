// On the NPU keys and values of all sequences are stored before attention reads any: by a kernel of their own.

// RUN: xdsl-opt %s -p llm-outline-kernels | filecheck %s

// CHECK:      func.func @start_1_npu(
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   scf.for %sequence = %begin to %end step %c1 {
// CHECK:          llm.kv_append
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK:      func.func @start_2_npu(
// CHECK:        llm.scores
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  llm.weight @table : tensor<32x32xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<1x2x16xf16>) -> tensor<?xi32> {
    %c0 = arith.constant 0 : index
    %table = llm.get_weight @table {device = "npu"} : tensor<32x32xf16>
    %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
    llm.kv_append %kv[%c0], %x, %x, %seqs {device = "npu"} : !llm.kv_cache<1x2x16xf16>, tensor<?x32xf16>
    %s = llm.scores %x, %kv[%c0], %seqs {device = "npu", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<1x2x16xf16> -> !llm.ragged<2x?xf32>
    %p = llm.softmax %s {device = "npu", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
    %o = llm.context %p, %kv[%c0], %seqs {device = "npu"} : !llm.ragged<2x?xf16>, !llm.kv_cache<1x2x16xf16> -> tensor<?x32xf16>
    %last = llm.last_token %o, %seqs {device = "npu"} : tensor<?x32xf16> -> tensor<?x32xf16>
    %logits = llm.linear %last, %table {device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
    %next = llm.argmax %logits {device = "npu"} : tensor<?x32xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
