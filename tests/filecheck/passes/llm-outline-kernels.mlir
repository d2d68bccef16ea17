// Runs of ops on one device become kernels; the step becomes the plan that launches them.

// RUN: xdsl-opt %s -p llm-outline-kernels | filecheck %s
// RUN: xdsl-opt %s -p 'llm-outline-kernels{serial=true}' | filecheck %s --check-prefix=SERIAL

// Kernels read their inputs from buffers and write their results to them. A kernel that looks at the sequence table loops
// over sequences and works on views that start at the first row of each. Values inside a kernel, like the scores, get no buffer.
// CHECK:        func.func @start_0_npu(%tokens: !host.buffer<4xi32>, %x: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %tokens_1 = host.read %tokens rows %rows : !host.buffer<4xi32> -> tensor<?xi32>
// CHECK-NEXT:     %table = llm.get_weight @table : tensor<32x32xf16>
// CHECK-NEXT:     %x_1 = llm.embed %tokens_1, %table {source = "embed"} : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:     host.write %x_1, %x rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @layer_0_npu(%x: !host.buffer<4x32xf16>, %q: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:     %wq = llm.get_weight @wq[%layer] : tensor<32x32xf16>
// CHECK-NEXT:     %bq = llm.get_weight @bq[%layer] : tensor<32xf16>
// CHECK-NEXT:     %q_1 = llm.linear %h, %wq bias %bq {source = "wq"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:     host.write %q_1, %q rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @layer_1_pim(%q: !host.buffer<4x32xf16>, %0: !host.buffer<4x32xf32>, %begin: index, %end: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     scf.for %sequence = %begin to %end step %c1 {
// CHECK-NEXT:       %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:       %seqs = host.one_sequence %new, %past, %slot
// CHECK-NEXT:       %q_1 = host.view %q[%first] : !host.buffer<4x32xf16>
// CHECK-NEXT:       %q_2 = host.read %q_1 rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:       %kv = host.cache : !llm.kv_cache<2x2x16xf16>
// CHECK-NEXT:       %1 = host.view %0[%first] : !host.buffer<4x32xf32>
// CHECK-NEXT:       llm.kv_append %kv[%layer], %q_2, %q_2, %seqs {source = "kv_append"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
// CHECK-NEXT:       %s = llm.scores %q_2, %kv[%layer], %seqs {source = "scores", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
// CHECK-NEXT:       %p = llm.softmax %s {source = "softmax", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
// CHECK-NEXT:       %2 = llm.context %p, %kv[%layer], %seqs {source = "context"} : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf32>
// CHECK-NEXT:       host.write %2, %1 rows %new : tensor<?x32xf32> -> !host.buffer<4x32xf32>
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @layer_2_npu(%0: !host.buffer<4x32xf32>, %x: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %1 = host.read %0 rows %rows : !host.buffer<4x32xf32> -> tensor<?x32xf32>
// CHECK-NEXT:     %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:     %o = llm.cast %1 {source = "cast"} : tensor<?x32xf32> -> tensor<?x32xf16>
// CHECK-NEXT:     %sum = llm.add %h, %o {source = "add"} : tensor<?x32xf16>
// CHECK-NEXT:     host.write %sum, %x rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @end_1_npu(%x: !host.buffer<4x32xf16>, %last: !host.buffer<2x32xf16>, %begin: index, %end: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     scf.for %sequence = %begin to %end step %c1 {
// CHECK-NEXT:       %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:       %seqs = host.one_sequence %new, %past, %slot
// CHECK-NEXT:       %x_1 = host.view %x[%first] : !host.buffer<4x32xf16>
// CHECK-NEXT:       %y = host.read %x_1 rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:       %0 = arith.constant 1 : index
// CHECK-NEXT:       %last_1 = host.view %last[%sequence] : !host.buffer<2x32xf16>
// CHECK-NEXT:       %last_2 = llm.last_token %y, %seqs {source = "last_token"} : tensor<?x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:       host.write %last_2, %last_1 rows %0 : tensor<?x32xf16> -> !host.buffer<2x32xf16>
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @end_2_npu(%last: !host.buffer<2x32xf16>, %logits: !host.buffer<2x32xf32>, %next: !host.buffer<2xi32>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %last_1 = host.read %last rows %rows : !host.buffer<2x32xf16> -> tensor<?x32xf16>
// CHECK-NEXT:     %table = llm.get_weight @table : tensor<32x32xf16>
// CHECK-NEXT:     %logits_1 = llm.linear %last_1, %table {source = "table"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
// CHECK-NEXT:     %next_1 = llm.argmax %logits_1 {source = "argmax"} : tensor<?x32xf32> -> tensor<?xi32>
// CHECK-NEXT:     host.write %logits_1, %logits rows %rows : tensor<?x32xf32> -> !host.buffer<2x32xf32>
// CHECK-NEXT:     host.write %next_1, %next rows %rows : tensor<?xi32> -> !host.buffer<2xi32>
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
// CHECK-NEXT:     %tokens = host.buffer {role = "tokens"} : !host.buffer<4xi32>
// CHECK-NEXT:     %x = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %q = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %0 = host.buffer : !host.buffer<4x32xf32>
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %last = host.buffer : !host.buffer<2x32xf16>
// CHECK-NEXT:     %next = host.buffer {role = "next"} : !host.buffer<2xi32>
// CHECK-NEXT:     %logits = host.buffer {role = "logits"} : !host.buffer<2x32xf32>
// CHECK-NEXT:     %1 = host.start
// CHECK-NEXT:     %done = host.launch @start_0_npu(%tokens, %x, %rows) after(%1) : !host.buffer<4xi32>, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     %2 = scf.for %layer = %c0 to %c2 step %c1 iter_args(%previous = %done) -> (!host.event) {
// CHECK-NEXT:       %done_1 = host.launch @layer_0_npu(%x, %q, %rows, %layer) after(%previous) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index
// CHECK-NEXT:       %done_2 = host.launch @layer_1_pim(%q, %0, %c0, %sequences, %layer) after(%done_1) : !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, index, index, index
// CHECK-NEXT:       %done_3 = host.launch @layer_2_npu(%0, %x, %rows, %layer) after(%done_2) : !host.buffer<4x32xf32>, !host.buffer<4x32xf16>, index, index
// CHECK-NEXT:       scf.yield %done_3 : !host.event
// CHECK-NEXT:     }
// CHECK-NEXT:     %done_4 = host.launch @end_1_npu(%x, %last, %c0, %sequences) after(%2) : !host.buffer<4x32xf16>, !host.buffer<2x32xf16>, index, index
// CHECK-NEXT:     %done_5 = host.launch @end_2_npu(%last, %logits, %next, %sequences) after(%done_4) : !host.buffer<2x32xf16>, !host.buffer<2x32xf32>, !host.buffer<2xi32>, index
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }

// One after another: cast and addition are kernels of their own, as are the attention's steps.
// SERIAL:         scf.for %layer
// SERIAL-NEXT:      host.launch @layer_0_npu(%x, %q, %rows, %layer)
// SERIAL-NEXT:      host.launch @layer_1_pim(%q, %s, %c0, %sequences, %layer)
// SERIAL-NEXT:      host.launch @layer_2_pim(%s, %p, %c0, %sequences, %layer)
// SERIAL-NEXT:      host.launch @layer_3_pim(%p, %0, %c0, %sequences, %layer)
// SERIAL-NEXT:      host.launch @layer_4_npu(%0, %o, %rows, %layer)
// SERIAL-NEXT:      host.launch @layer_5_npu(%x, %o, %rows, %layer)
// SERIAL-NEXT:      scf.yield

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  llm.weight @table : tensor<32x32xf16>
  llm.weight @wq : tensor<2x32x32xf16>
  llm.weight @bq : tensor<2x32xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x2x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @table {device = "npu"} : tensor<32x32xf16>
    %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<32x32xf16> -> tensor<?x32xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x) -> (tensor<?x32xf16>) {
      %wq = llm.get_weight @wq[%layer] {device = "npu"} : tensor<32x32xf16>
      %bq = llm.get_weight @bq[%layer] {device = "npu"} : tensor<32xf16>
      %q = llm.linear %h, %wq bias %bq {device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
      llm.kv_append %kv[%layer], %q, %q, %seqs {device = "pim"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
      %s = llm.scores %q, %kv[%layer], %seqs {device = "pim", heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
      %p = llm.softmax %s {device = "pim", scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
      %0 = llm.context %p, %kv[%layer], %seqs {device = "pim"} : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf32>
      %o = llm.cast %0 {device = "npu"} : tensor<?x32xf32> -> tensor<?x32xf16>
      %sum = llm.add %h, %o {device = "npu"} : tensor<?x32xf16>
      scf.yield %sum : tensor<?x32xf16>
    }
    %last = llm.last_token %y, %seqs {device = "npu"} : tensor<?x32xf16> -> tensor<?x32xf16>
    %logits = llm.linear %last, %table {device = "npu"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
    %next = llm.argmax %logits {device = "npu"} : tensor<?x32xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}

