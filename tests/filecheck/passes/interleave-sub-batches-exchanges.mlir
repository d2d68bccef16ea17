// What devices exchange is cut in halves as launches are: the second half on views of the buffers, on a queue of its own.

// RUN: xdsl-opt %s -p interleave-sub-batches | filecheck %s

// CHECK:        %x_1 = host.view %x[%first_rows] : !host.buffer<4x32xf16>
// CHECK-NEXT:   %logits_1 = host.view %logits[%first_sequences] : !host.buffer<2x8xf32>
// CHECK-NEXT:   %next_1 = host.view %next[%first_sequences] : !host.buffer<2xi32>
// CHECK:        %done = host.launch @layer_0_npu(%x, %first_rows) after(%e) {queue = 0 : i64}
// CHECK-NEXT:   %done_1 = host.launch @layer_0_npu(%x_1, %other_rows) after(%e) {queue = 1 : i64}
// CHECK-NEXT:   %sum = host.all_reduce %x rows %first_rows after(%done) {devices = 2 : i64, queue = 0 : i64}
// CHECK-NEXT:   %sum_1 = host.all_reduce %x_1 rows %other_rows after(%done_1) {devices = 2 : i64, queue = 1 : i64}
// CHECK-NEXT:   %best = host.all_argmax %next of %logits rows %first_sequences after(%sum) {devices = 2 : i64, vocabulary = 16 : i64, queue = 0 : i64}
// CHECK-NEXT:   %best_1 = host.all_argmax %next_1 of %logits_1 rows %other_sequences after(%sum_1) {devices = 2 : i64, vocabulary = 16 : i64, queue = 1 : i64}

builtin.module {
  func.func @layer_0_npu(%x: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer : !host.buffer<4x32xf16>
    %next = host.buffer {role = "next"} : !host.buffer<2xi32>
    %logits = host.buffer {role = "logits"} : !host.buffer<2x8xf32>
    %e = host.start
    %done = host.launch @layer_0_npu(%x, %rows) after(%e) : !host.buffer<4x32xf16>, index
    %sum = host.all_reduce %x rows %rows after(%done) {devices = 2 : i64} : !host.buffer<4x32xf16>
    %best = host.all_argmax %next of %logits rows %sequences after(%sum) {devices = 2 : i64, vocabulary = 16 : i64} : !host.buffer<2xi32>, !host.buffer<2x8xf32>
    func.return
  }
}
