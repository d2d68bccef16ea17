// The memory map, buffers and the plan print as they parse.

// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | xdsl-opt | filecheck %s

// CHECK:      host.memory @attn_q : tensor<2x64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2> {source = "attn_q", address = 4096 : i64}

host.memory @attn_q : tensor<2x64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2> {source = "attn_q", address = 4096 : i64}

// CHECK:      host.memory @keys : tensor<2x1x2x64x16xf16> layout #pim.keys<slots = 1, channels = 32, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16> {row = 7 : i64}

host.memory @keys : tensor<2x1x2x64x16xf16> layout #pim.keys<slots = 1, channels = 32, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16> {row = 7 : i64}

// CHECK:      func.func @kernel(%x: !host.buffer<4x64xf16>, %first: index, %new: index, %past: index, %slot: index) attributes {device = "npu"} {
// CHECK-NEXT:   %seqs = host.one_sequence %new, %past, %slot
// CHECK-NEXT:   %kv = host.cache : !llm.kv_cache<2x2x16xf16>
// CHECK-NEXT:   %page = host.page @keys %slot[%past]
// CHECK-NEXT:   %w = host.address_of @attn_q
// CHECK-NEXT:   %v = host.view %x[%first] : !host.buffer<4x64xf16>
// CHECK-NEXT:   %h = host.read %v rows %new : !host.buffer<4x64xf16> -> tensor<?x64xf16>
// CHECK-NEXT:   host.write %h, %v rows %new : tensor<?x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @kernel(%x: !host.buffer<4x64xf16>, %first: index, %new: index, %past: index, %slot: index) attributes {device = "npu"} {
  %seqs = host.one_sequence %new, %past, %slot
  %kv = host.cache : !llm.kv_cache<2x2x16xf16>
  %page = host.page @keys %slot[%past]
  %w = host.address_of @attn_q
  %v = host.view %x[%first] : !host.buffer<4x64xf16>
  %h = host.read %v rows %new : !host.buffer<4x64xf16> -> tensor<?x64xf16>
  host.write %h, %v rows %new : tensor<?x64xf16> -> !host.buffer<4x64xf16>
  func.return
}

// CHECK:      func.func @plan(%rows: index, %sequences: index) attributes {device = "host"} {
// CHECK-NEXT:   %tokens = host.buffer {role = "tokens"} : !host.buffer<4xi32>
// CHECK-NEXT:   %x = host.buffer : !host.buffer<4x64xf16>
// CHECK-NEXT:   %tile = host.buffer {slots = 4 : i64, address = 8192 : i64} : !host.buffer<16x16xf16>
// CHECK-NEXT:   %s = host.buffer : !host.buffer<4x2x64xf32, softmax>
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %start = host.start
// CHECK-NEXT:   %done = scf.for %i = %c0 to %sequences step %c1 iter_args(%previous = %start) -> (!host.event) {
// CHECK-NEXT:     %first, %new, %past, %slot = host.sequence %i
// CHECK-NEXT:     %e = host.launch @kernel(%x, %first, %new, %past, %slot) after(%previous) : !host.buffer<4x64xf16>, index, index, index, index
// CHECK-NEXT:     scf.yield %e : !host.event
// CHECK-NEXT:   }
// CHECK-NEXT:   %e1 = host.launch @nothing()
// CHECK-NEXT:   %e2 = host.launch @nothing() after(%done, %e1, %start)
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @plan(%rows: index, %sequences: index) attributes {device = "host"} {
  %tokens = host.buffer {role = "tokens"} : !host.buffer<4xi32>
  %x = host.buffer : !host.buffer<4x64xf16>
  %tile = host.buffer {slots = 4 : i64, address = 8192 : i64} : !host.buffer<16x16xf16>
  %s = host.buffer : !host.buffer<4x2x64xf32, softmax>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %start = host.start
  %done = scf.for %i = %c0 to %sequences step %c1 iter_args(%previous = %start) -> (!host.event) {
    %first, %new, %past, %slot = host.sequence %i
    %e = host.launch @kernel(%x, %first, %new, %past, %slot) after(%previous) : !host.buffer<4x64xf16>, index, index, index, index
    scf.yield %e : !host.event
  }
  %e1 = host.launch @nothing()
  %e2 = host.launch @nothing() after(%done, %e1, %start)
  func.return
}

// CHECK:      func.func @exchanges(%x: !host.buffer<4x64xf16>, %ids: !host.buffer<4xi32>, %logits: !host.buffer<4x33xf32>, %rows: index) {
// CHECK-NEXT:   %received = host.receive %x rows %rows {devices = 2 : i64} : !host.buffer<4x64xf16>
// CHECK-NEXT:   %sum = host.all_reduce %x rows %rows after(%received) {devices = 4 : i64, queue = 1 : i64} : !host.buffer<4x64xf16>
// CHECK-NEXT:   %sent = host.send %x rows %rows after(%sum, %received) {devices = 2 : i64} : !host.buffer<4x64xf16>
// CHECK-NEXT:   %best = host.all_argmax %ids of %logits rows %rows after(%sent) {devices = 4 : i64, vocabulary = 131 : i64} : !host.buffer<4xi32>, !host.buffer<4x33xf32>
// CHECK-NEXT:   func.return

func.func @exchanges(%x: !host.buffer<4x64xf16>, %ids: !host.buffer<4xi32>, %logits: !host.buffer<4x33xf32>, %rows: index) {
  %received = host.receive %x rows %rows {devices = 2 : i64} : !host.buffer<4x64xf16>
  %sum = host.all_reduce %x rows %rows after(%received) {devices = 4 : i64, queue = 1 : i64} : !host.buffer<4x64xf16>
  %sent = host.send %x rows %rows after(%sum, %received) {devices = 2 : i64} : !host.buffer<4x64xf16>
  %best = host.all_argmax %ids of %logits rows %rows after(%sent) {devices = 4 : i64, vocabulary = 131 : i64} : !host.buffer<4xi32>, !host.buffer<4x33xf32>
  func.return
}
