// New keys and values are computed and not written: the append goes, and so do the reads and views that only it needs.

// RUN: xdsl-opt %s -p drop-cache-appends --split-input-file --verify-diagnostics | filecheck %s

// CHECK:      func.func @pim(
// CHECK:          %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:     %seqs = host.one_sequence %new, %past, %slot
// CHECK-NEXT:     %q_1 = host.view %q[%first] : !host.buffer<4x32xf16>
// CHECK-NEXT:     %q_2 = host.read %q_1 rows %new : !host.buffer<4x32xf16> -> tensor<4x32xf16>
// CHECK-NEXT:     %kv = host.cache : !llm.kv_cache<2x2x16xf16>
// CHECK-NEXT:     %s = llm.scores %q_2, %kv[%layer], %seqs
builtin.module {
  func.func @pim(%q: !host.buffer<4x32xf16>, %k: !host.buffer<4x32xf16>, %begin: index, %end: index, %layer: index) attributes {device = "pim"} {
    %c1 = arith.constant 1 : index
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      %seqs = host.one_sequence %new, %past, %slot
      %k_1 = host.view %k[%first] : !host.buffer<4x32xf16>
      %k_2 = host.read %k_1 rows %new : !host.buffer<4x32xf16> -> tensor<4x32xf16>
      %q_1 = host.view %q[%first] : !host.buffer<4x32xf16>
      %q_2 = host.read %q_1 rows %new : !host.buffer<4x32xf16> -> tensor<4x32xf16>
      %kv = host.cache : !llm.kv_cache<2x2x16xf16>
      llm.kv_append %kv[%layer], %k_2, %q_2, %seqs : !llm.kv_cache<2x2x16xf16>, tensor<4x32xf16>
      %s = llm.scores %q_2, %kv[%layer], %seqs {heads = 2 : i64, scale = 1.0 : f32} : tensor<4x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
    }
    func.return
  }
}

// -----

// CHECK: found no llm.kv_append: run it at stage placed, once
builtin.module {
}
