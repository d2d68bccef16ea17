// Every op gets a device, and neighbours the types that the device forces on them.

// RUN: xdsl-opt %s -p 'llm-place{policy=npu-only}' | filecheck %s --check-prefix=NPU
// RUN: xdsl-opt %s -p 'llm-place{policy=attention-on-pim}' | filecheck %s --check-prefix=ATTENTION
// RUN: xdsl-opt %s -p 'llm-place{policy=all-on-pim}' | filecheck %s --check-prefix=ALL

// Probabilities are f16 on either device; the scale of the scores moves to the softmax.
// NPU:          %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
// NPU:            %q = llm.linear %h, %wq bias %bq {source = "attn_q", device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
// NPU-NEXT:       llm.kv_append %kv[%layer], %q, %q, %seqs {device = "npu"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
// NPU-NEXT:       %s = llm.scores %q, %kv[%layer], %seqs {device = "npu", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
// NPU-NEXT:       %p = llm.softmax %s {device = "npu", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
// NPU-NEXT:       %o = llm.context %p, %kv[%layer], %seqs {device = "npu"} : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf16>
// NPU-NEXT:       %sum = llm.add %h, %o {device = "npu"} : tensor<?x32xf16>
// NPU:          %last = llm.last_token %y, %seqs {device = "npu"} : tensor<?x32xf16> -> tensor<?x32xf16>
// NPU-NEXT:     %logits = llm.linear %last, %table {device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
// NPU-NEXT:     %next = llm.argmax %logits {device = "npu"} : tensor<?x32xf32> -> tensor<?xi32>

// The PIM returns fp32 sums; the NPU rounds them.
// ATTENTION:            %q = llm.linear %h, %wq bias %bq {source = "attn_q", device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
// ATTENTION-NEXT:       llm.kv_append %kv[%layer], %q, %q, %seqs {device = "pim"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
// ATTENTION-NEXT:       %s = llm.scores %q, %kv[%layer], %seqs {device = "pim", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
// ATTENTION-NEXT:       %p = llm.softmax %s {device = "pim", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
// ATTENTION-NEXT:       %0 = llm.context %p, %kv[%layer], %seqs {device = "pim"} : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf32>
// ATTENTION-NEXT:       %o = llm.cast %0 {device = "npu"} : tensor<?x32xf32> -> tensor<?x32xf16>
// ATTENTION-NEXT:       %sum = llm.add %h, %o {device = "npu"} : tensor<?x32xf16>

// A PIM adds no bias. Sums that stay fp32 need no rounding.
// ALL:          %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
// ALL:            %0 = llm.linear %h, %wq {source = "attn_q", device = "pim"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
// ALL-NEXT:       %q = llm.bias_add %0, %bq {source = "attn_q", device = "npu"} : tensor<?x32xf32>, tensor<32xf16> -> tensor<?x32xf16>
// ALL-NEXT:       llm.kv_append %kv[%layer], %q, %q, %seqs {device = "pim"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
// ALL:            %sum = llm.add %h, %o {device = "npu"} : tensor<?x32xf16>
// ALL:          %logits = llm.linear %last, %table {device = "pim"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
// ALL-NEXT:     %next = llm.argmax %logits {device = "npu"} : tensor<?x32xf32> -> tensor<?xi32>

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  llm.weight @table : tensor<32x32xf16>
  llm.weight @wq : tensor<2x32x32xf16>
  llm.weight @bq : tensor<2x32xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x2x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @table : tensor<32x32xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x) -> (tensor<?x32xf16>) {
      %wq = llm.get_weight @wq[%layer] : tensor<32x32xf16>
      %bq = llm.get_weight @bq[%layer] : tensor<32xf16>
      %q = llm.linear %h, %wq bias %bq {source = "attn_q"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
      llm.kv_append %kv[%layer], %q, %q, %seqs : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
      %s = llm.scores %q, %kv[%layer], %seqs {heads = 2 : i64, scale = 2.500000e-01 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
      %p = llm.softmax %s : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf32>
      %o = llm.context %p, %kv[%layer], %seqs : !llm.ragged<2x?xf32>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf16>
      %sum = llm.add %h, %o : tensor<?x32xf16>
      scf.yield %sum : tensor<?x32xf16>
    }
    %last = llm.last_token %y, %seqs : tensor<?x32xf16> -> tensor<?x32xf16>
    %logits = llm.linear %last, %table : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
    %next = llm.argmax %logits : tensor<?x32xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
