// A memory without a softmax unit leaves the softmax to the NPU.

// RUN: xdsl-opt %s -p 'llm-place{policy=attention-on-pim}' | filecheck %s

// CHECK:            %s = llm.scores %q, %kv[%layer], %seqs {device = "pim", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
// CHECK-NEXT:       %p = llm.softmax %s {device = "npu", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
// CHECK-NEXT:       %0 = llm.context %p, %kv[%layer], %seqs {device = "pim"} : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf32>

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [copy_row, activate, mac, read_acc, precharge, write, read, scatter]>} {
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
