// What devices exchange is no kernel but an op of the plan, in place on the buffer of what was computed before.

// RUN: xdsl-opt %s -p 'attach-machine{name=neupims},llm-place,llm-outline-kernels,verify-placed' | filecheck %s

// CHECK:        func.func @start_0_npu
// CHECK-NOT:    llm.all_reduce
// CHECK:        func.func @layer_0_npu(%x: !host.buffer<8x64xf16>, %sums: !host.buffer<8x64xf16>, %rows: index, %layer: index) attributes {device = "npu"}
// CHECK:        func.func @layer_2_npu(%x: !host.buffer<8x64xf16>, %sums: !host.buffer<8x64xf16>, %rows: index, %layer: index) attributes {device = "npu"}
// CHECK:        func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
// CHECK:          %logits = host.buffer {role = "logits"} : !host.buffer<4x66xf32>
// CHECK-NEXT:     %local = host.buffer {role = "next"} : !host.buffer<4xi32>
// CHECK:          %done = host.launch @start_0_npu(%tokens, %x, %rows) after(%{{.*}}) : !host.buffer<8xi32>, !host.buffer<8x64xf16>, index
// CHECK-NEXT:     %done_1 = host.receive %x rows %rows after(%done) {devices = 2 : i64} : !host.buffer<8x64xf16>
// CHECK-NEXT:     %{{.*}} = scf.for %layer = %c0 to %c2 step %c1 iter_args(%previous = %done_1) -> (!host.event) {
// CHECK-NEXT:       %done_2 = host.launch @layer_0_npu(%x, %sums, %rows, %layer) after(%previous)
// CHECK-NEXT:       %done_3 = host.all_reduce %sums rows %rows after(%done_2) {devices = 2 : i64} : !host.buffer<8x64xf16>
// CHECK-NEXT:       %done_4 = host.launch @layer_2_npu(%x, %sums, %rows, %layer) after(%done_3)
// CHECK-NEXT:       scf.yield %done_4 : !host.event
// CHECK-NEXT:     }
// CHECK-NEXT:     %done_5 = host.send %x rows %rows after(%{{.*}}) {devices = 2 : i64} : !host.buffer<8x64xf16>
// CHECK:          %{{.*}} = host.all_argmax %local of %logits rows %sequences after(%{{.*}}) {devices = 2 : i64, vocabulary = 131 : i64} : !host.buffer<4xi32>, !host.buffer<4x66xf32>
// CHECK-NEXT:     func.return

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>, llm.bounds = #llm.bounds<phase = mixed, sequences = 4, new_tokens = 8, context = 64>} {
  llm.weight @token_embd : tensor<131x64xf16>
  llm.weight @output : tensor<66x64xf16> {slice = #llm.slice<@output, 131 by tensor, 64>}
  llm.weight @down : tensor<2x64x64xf16> {slice = #llm.slice<@down, 2, 64, 128 by tensor>}
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x1x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<131x64xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x64xf16> -> tensor<?x64xf16>
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %c1 = arith.constant 1 : index
    %x1 = llm.receive %x {stages = 2 : i64} : tensor<?x64xf16>
    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x1) -> (tensor<?x64xf16>) {
      %w = llm.get_weight @down[%layer] : tensor<64x64xf16>
      %sums = llm.linear %h, %w : tensor<?x64xf16>, tensor<64x64xf16> -> tensor<?x64xf16>
      %o = llm.all_reduce %sums {devices = 2 : i64} : tensor<?x64xf16>
      %h1 = llm.add %h, %o : tensor<?x64xf16>
      scf.yield %h1 : tensor<?x64xf16>
    }
    llm.send %y {stages = 2 : i64} : tensor<?x64xf16>
    %last = llm.last_token %y, %seqs : tensor<?x64xf16> -> tensor<?x64xf16>
    %wo = llm.get_weight @output : tensor<66x64xf16>
    %logits = llm.linear %last, %wo : tensor<?x64xf16>, tensor<66x64xf16> -> tensor<?x66xf32>
    %local = llm.argmax %logits : tensor<?x66xf32> -> tensor<?xi32>
    %next = llm.all_argmax %local, %logits {devices = 2 : i64, vocabulary = 131 : i64} : tensor<?xi32>, tensor<?x66xf32>
    func.return %next : tensor<?xi32>
  }
}
