// Every launch becomes two, one for each half of the batch, and the chain of events becomes two.

// RUN: xdsl-opt %s -p interleave-sub-batches | filecheck %s

// Kernels that count rows or sequences get views of their buffers for the second half; those that loop over sequences get the
// range of theirs. Weights and layers are the same for both.
// CHECK:        func.func @step(%rows: index, %sequences: index, %first_rows: index, %first_sequences: index) attributes {device = "host"} {
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %other_rows = arith.subi %rows, %first_rows : index
// CHECK-NEXT:     %other_sequences = arith.subi %sequences, %first_sequences : index
// CHECK-NEXT:     %x = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %q = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %next = host.buffer {role = "next"} : !host.buffer<2xi32>
// CHECK-NEXT:     %c0_1 = arith.constant 0 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %x_1 = host.view %x[%first_rows] : !host.buffer<4x32xf16>
// CHECK-NEXT:     %q_1 = host.view %q[%first_rows] : !host.buffer<4x32xf16>
// CHECK-NEXT:     %x_2 = host.view %x[%first_sequences] : !host.buffer<4x32xf16>
// CHECK-NEXT:     %next_1 = host.view %next[%first_sequences] : !host.buffer<2xi32>
// CHECK-NEXT:     %e = host.start
// CHECK-NEXT:     %0, %1 = scf.for %layer = %c0_1 to %c2 step %c1 iter_args(%previous = %e, %previous_1 = %e) -> (!host.event, !host.event) {
// CHECK-NEXT:       %done = host.launch @layer_0_npu(%x, %q, %first_rows, %layer) after(%previous) {queue = 0 : i64} : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index
// CHECK-NEXT:       %done_1 = host.launch @layer_0_npu(%x_1, %q_1, %other_rows, %layer) after(%previous_1) {queue = 1 : i64} : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index
// CHECK-NEXT:       %done_2 = host.launch @layer_1_pim(%q, %x, %c0, %first_sequences, %layer) after(%done) {queue = 0 : i64} : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index, index
// CHECK-NEXT:       %done_3 = host.launch @layer_1_pim(%q, %x, %first_sequences, %sequences, %layer) after(%done_1) {queue = 1 : i64} : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index, index
// CHECK-NEXT:       scf.yield %done_2, %done_3 : !host.event, !host.event
// CHECK-NEXT:     }
// CHECK-NEXT:     %end = host.launch @end_0_npu(%x, %next, %first_sequences) after(%0) {queue = 0 : i64} : !host.buffer<4x32xf16>, !host.buffer<2xi32>, index
// CHECK-NEXT:     %end_1 = host.launch @end_0_npu(%x_2, %next_1, %other_sequences) after(%1) {queue = 1 : i64} : !host.buffer<4x32xf16>, !host.buffer<2xi32>, index
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }

builtin.module {
  func.func @layer_0_npu(%x: !host.buffer<4x32xf16>, %q: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    func.return
  }
  func.func @layer_1_pim(%q: !host.buffer<4x32xf16>, %o: !host.buffer<4x32xf16>, %begin: index, %end: index, %layer: index) attributes {device = "pim"} {
    %c1 = arith.constant 1 : index
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
    }
    func.return
  }
  func.func @end_0_npu(%o: !host.buffer<4x32xf16>, %next: !host.buffer<2xi32>, %count: index) attributes {device = "npu"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer : !host.buffer<4x32xf16>
    %q = host.buffer : !host.buffer<4x32xf16>
    %next = host.buffer {role = "next"} : !host.buffer<2xi32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %e = host.start
    %last = scf.for %layer = %c0 to %c2 step %c1 iter_args(%previous = %e) -> (!host.event) {
      %done = host.launch @layer_0_npu(%x, %q, %rows, %layer) after(%previous) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index
      %done_1 = host.launch @layer_1_pim(%q, %x, %c0, %sequences, %layer) after(%done) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index, index
      scf.yield %done_1 : !host.event
    }
    %end = host.launch @end_0_npu(%x, %next, %sequences) after(%last) : !host.buffer<4x32xf16>, !host.buffer<2xi32>, index
    func.return
  }
}
