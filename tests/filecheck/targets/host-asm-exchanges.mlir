// What devices exchange, as instructions of the host: in place, by address, with events and queues as launches have.

// RUN: xdsl-opt %s -t host-asm | filecheck %s

// CHECK:      .program @step host (tokens, sequences)
// CHECK-NEXT:   exchange kind=receive, event=0, devices=3, local=0, dtype=f16, rows=%tokens, columns=64
// CHECK-NEXT:   exchange kind=all_reduce, event=1, launch_queue=1, after0=0, devices=2, local=0, dtype=f16, rows=%tokens, columns=64
// CHECK-NEXT:   exchange kind=send, event=2, after0=1, devices=3, local=0, dtype=f16, rows=%tokens, columns=64
// CHECK-NEXT:   exchange kind=all_argmax, event=3, after0=2, devices=2, local=512, dtype=f32, rows=%sequences, columns=33, logits=640, vocabulary=65
// CHECK-NEXT:   halt

builtin.module {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer {address = 0 : i64} : !host.buffer<4x64xf16>
    %ids = host.buffer {address = 512 : i64} : !host.buffer<4xi32>
    %logits = host.buffer {address = 640 : i64} : !host.buffer<4x33xf32>
    %received = host.receive %x rows %rows {devices = 3 : i64} : !host.buffer<4x64xf16>
    %sum = host.all_reduce %x rows %rows after(%received) {devices = 2 : i64, queue = 1 : i64} : !host.buffer<4x64xf16>
    %sent = host.send %x rows %rows after(%sum) {devices = 3 : i64} : !host.buffer<4x64xf16>
    %best = host.all_argmax %ids of %logits rows %sequences after(%sent) {devices = 2 : i64, vocabulary = 65 : i64} : !host.buffer<4xi32>, !host.buffer<4x33xf32>
    func.return
  }
}
